"""What a foreign ONNX graph takes and gives: its one input, which of its outputs, and how it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from roundoff.errors import DataError
from roundoff.model.taking.fitting import require_images
from roundoff.model.taking.settings import setting

UINT8, FLOAT = onnx.TensorProto.UINT8, onnx.TensorProto.FLOAT
LAYOUTS = ("nchw", "nhwc")
SOFTENING = ("Softmax", "LogSoftmax", "Sigmoid")
PASSING = ("Identity", "Cast", "QuantizeLinear", "DequantizeLinear")  # the last two in a graph that is quantized


@dataclass(frozen=True)
class ImageInput:
    """The input: whether it takes uint8, and whether its channels come before height and width (`planes`)."""

    uint8: bool
    planes: bool


def image_input(path: Path, model: onnx.ModelProto, shape: tuple[int, int, int], layout: str | None) -> ImageInput:
    """How the graph takes images [*shape], H × W × C; DataError where it takes none, or others.

    Inputs that are initializers, as old files list them, are removed in place.
    """
    fixed = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in fixed]
    if len(inputs) != 1:
        raise DataError(
            f"{path} does not take one image",
            received=f"{len(inputs)} inputs: {', '.join(value.name for value in inputs)}",
            expected="one input, of images",
            fix="export the classifier alone, other inputs built in as constants",
        )
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    kind = inputs[0].type.tensor_type
    if kind.elem_type not in (UINT8, FLOAT) or len(kind.shape.dim) != 4:
        raise DataError(
            f"{path} does not take images",
            received=onnx.helper.printable_value_info(inputs[0]),
            expected="uint8 or float32 [N, C, H, W] or [N, H, W, C]",
            fix="export it in float32 (model.float() in PyTorch), with images of four dimensions",
        )
    sizes = [size.dim_value if size.HasField("dim_value") else None for size in kind.shape.dim]
    planes = _has_planes(path, model, sizes, shape, layout)
    image_sizes = (sizes[2], sizes[3], sizes[1]) if planes else (sizes[1], sizes[2], sizes[3])
    require_images(path, image_sizes, shape)
    return ImageInput(kind.elem_type == UINT8, planes)


def _has_planes(
    path: Path,
    model: onnx.ModelProto,
    sizes: Sequence[int | None],
    shape: tuple[int, int, int],
    layout: str | None,
) -> bool:
    """Whether the input is [N, C, H, W]: by its sizes, else by what reads it."""
    if layout is not None:
        return layout == "nchw"
    before, after = sizes[1] in (1, 3), sizes[3] in (1, 3)
    if before != after:
        return before
    fits = [_fits(sizes[1:], each) for each in ((shape[2], *shape[:2]), shape)]
    if fits.count(True) == 1:
        return fits[0]
    readers = [node.op_type for node in model.graph.node if model.graph.input[0].name in node.input]
    if "Conv" in readers:
        return True
    raise DataError(
        f"{path} does not tell the layout of its images",
        received=onnx.helper.printable_value_info(model.graph.input[0]),
        expected="1 or 3 channels before or behind height and width",
        fix=f"set {setting('layout')}=nchw (channels first) or {setting('layout')}=nhwc (channels last)",
    )


def _fits(sizes: Sequence[int | None], wanted: Sequence[int]) -> bool:
    return all(size in (None, each) for size, each in zip(sizes, wanted, strict=True))


def before_softmax(model: onnx.ModelProto, output: str) -> tuple[str, str | None]:
    """The tensor before a softmax or sigmoid that gives `output`, and that operator; else `output` and None.

    Neither changes which class is the largest, and logits say more of an error than probabilities do.
    """
    source = {name: node for node in model.graph.node for name in node.output}
    tensor = output
    while tensor in source and source[tensor].op_type in PASSING:
        tensor = source[tensor].input[0]
    node = source.get(tensor)
    if node is None or node.op_type not in SOFTENING:
        return output, None
    return node.input[0], node.op_type
