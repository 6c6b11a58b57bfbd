"""A quantized ONNX graph (Q/DQ, or ONNX Runtime's QOperator) with its preprocessing in front and logits behind."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import helper

from roundoff.errors import DataError
from roundoff.export.folding import cast_first
from roundoff.export.given_feeding import Beside, fed, names
from roundoff.export.given_onnx_types import Arriving, remainder
from roundoff.export.given_types import require_types
from roundoff.model.base import INPUT_NAME, OUTPUT_NAME
from roundoff.model.onnx_file import OnnxFile
from roundoff.model.taking.onnx_opening import fitted
from roundoff.model.taking.onnx_reading import all_nodes, read_quantized
from roundoff.precision.given import Given

# An image's sums differ a little with the batch, and where one lies at a rounding's edge by a whole step.
TOLERANCE = 0.05


def fit_onnx(given: Given, at: Beside, key: str) -> onnx.ModelProto:
    """The graph at `given.path`, from `image` uint8 [N, H, W, C] to `logits` float32 [N, classes].

    See `write_fit` for what it raises.
    """
    path = Path(given.path)
    model = read_quantized(path, key)
    _refuse_dynamic(path, model)
    require_types(path, given, key, Arriving.of(model).products(model), remainder(model))
    fixed = {tensor.name for tensor in model.graph.initializer}
    taken = next((value for value in model.graph.input if value.name not in fixed), onnx.ValueInfoProto())
    pixels = taken.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    own = (taken.name, model.graph.output[0].name) == (INPUT_NAME, OUTPUT_NAME) and pixels
    told = fed(given, at, pixels)
    named = names(given, at, own)
    source = OnnxFile(
        given.path,
        scale=list(told.scale),
        offset=list(told.offset),
        mean=list(told.mean),
        std=list(told.std),
        channel_order=told.channel_order,
        classes=list(named) if named else None,
        output=given.output,
    )
    _open_softmax(model)
    whole = fitted(source, given.layout, model, at.shape, at.classes, TOLERANCE).wrapped(source.preprocessing)
    cast_first(whole)
    return whole


def _refuse_dynamic(path: Path, model: onnx.ModelProto) -> None:
    dynamic = [node for node in all_nodes(model.graph) if "Dynamic" in node.op_type]
    if dynamic:
        raise DataError(
            f"{path} is quantized dynamically",
            received=f"{len(dynamic)} operators such as {dynamic[0].op_type} {dynamic[0].name}".strip(),
            expected="scales that are fixed: where they come from a batch, images act on each other's answers",
            fix="quantize it statically, with calibration images: onnxruntime.quantization.quantize_static",
        )


def _open_softmax(model: onnx.ModelProto) -> None:
    """Write, in place, ONNX Runtime's quantized softmax at the end as its three parts, so that it is recognised."""
    makers = {name: node for node in model.graph.node for name in node.output}
    for output in model.graph.output:
        last = makers.get(output.name)
        while last is not None and last.op_type in ("DequantizeLinear", "Identity", "Cast"):
            last = makers.get(last.input[0])
        if last is None or last.op_type not in ("QLinearSoftmax", "QLinearSigmoid"):
            continue
        values, scale, zero, *after = last.input
        name = last.name or last.op_type
        parts = [
            helper.make_node("DequantizeLinear", [values, scale, zero], [f"{name}/values"], f"{name}/dequantize"),
            helper.make_node(last.op_type[len("QLinear") :], [f"{name}/values"], [f"{name}/soft"], f"{name}/soft"),
            helper.make_node("QuantizeLinear", [f"{name}/soft", *after], last.output, f"{name}/quantize"),
        ]
        place = list(model.graph.node).index(last)
        nodes = [*model.graph.node[:place], *parts, *model.graph.node[place + 1 :]]
        del model.graph.node[:]
        model.graph.node.extend(nodes)
