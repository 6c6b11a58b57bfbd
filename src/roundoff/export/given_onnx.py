"""A quantized ONNX graph (Q/DQ, or ONNX Runtime's QOperator) with its preprocessing in front and logits behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import helper

from roundoff.errors import DataError
from roundoff.export.folding import cast_first
from roundoff.export.given import Beside, fed, names
from roundoff.export.given_types import require_types
from roundoff.model.base import INPUT_NAME, OUTPUT_NAME
from roundoff.model.onnx_file import OnnxFile
from roundoff.model.taking.onnx_opening import fitted
from roundoff.model.taking.onnx_reading import all_nodes, read_quantized
from roundoff.precision.given import Given

# operators with a weight: where it stands among the inputs
PRODUCTS = {
    **dict.fromkeys(("Conv", "ConvTranspose", "Gemm", "MatMul", "ConvInteger", "MatMulInteger"), 1),
    **dict.fromkeys(("QLinearConv", "QLinearMatMul", "QGemm"), 3),
}
# what changes no type between a DequantizeLinear and the product that reads it
PASSING = ("Transpose", "Reshape", "Flatten", "Identity", "Squeeze", "Unsqueeze", "MaxPool", "Relu", "Clip", "Pad")
# An image's sums differ a little with the batch, and where one lies at a rounding's edge by a whole step.
TOLERANCE = 0.05
HALVES = {onnx.TensorProto.FLOAT16: "float16", onnx.TensorProto.BFLOAT16: "bfloat16"}


def fit_onnx(given: Given, at: Beside, key: str) -> onnx.ModelProto:
    """The graph at `given.path`, from `image` uint8 [N, H, W, C] to `logits` float32 [N, classes].

    See `write_fit` for what it raises.
    """
    path = Path(given.path)
    model = read_quantized(path, key)
    _refuse_dynamic(path, model)
    require_types(path, given, key, Arriving.of(model).products(model), _remainder(model))
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
        layout=given.layout,
        output=given.output,
    )
    _open_softmax(model)
    whole = fitted(source, model, at.shape, at.classes, TOLERANCE).wrapped(source.preprocessing)
    cast_first(whole)
    return whole


def _refuse_dynamic(path: Path, model: onnx.ModelProto) -> None:
    found = [node for node in all_nodes(model.graph) if "Dynamic" in node.op_type]
    if found:
        raise DataError(
            f"{path} is quantized dynamically",
            received=f"{len(found)} operators such as {found[0].op_type} {found[0].name}".strip(),
            expected="scales that are fixed: where they come from a batch, images act on each other's answers",
            fix="quantize it statically, with calibration images: onnxruntime.quantization.quantize_static",
        )


def _remainder(model: onnx.ModelProto) -> str:
    return next((HALVES[t.data_type] for t in model.graph.initializer if t.data_type in HALVES), "float32")


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


@dataclass(frozen=True)
class Arriving:
    """In which types tensors arrive: behind a pair of Q and DQ, in that of what is stored between the two."""

    stored: dict[str, int]
    makers: dict[str, onnx.NodeProto]

    @classmethod
    def of(cls, model: onnx.ModelProto) -> Arriving:
        """Of a graph's tensors."""
        constants = [n for n in model.graph.node if n.op_type == "Constant" and n.attribute[0].name == "value"]
        held = {node.output[0]: node.attribute[0].t.data_type for node in constants}
        stored = {tensor.name: tensor.data_type for tensor in model.graph.initializer} | held
        return cls(stored, {name: node for node in model.graph.node for name in node.output})

    def products(self, model: onnx.ModelProto) -> Iterator[tuple[str, str]]:
        """The types of weights and activations of each product with a weight."""
        for node in model.graph.node:
            place = PRODUCTS.get(node.op_type)
            if place is None:
                continue
            weights, activations = self.kind(node.input[place]), self.kind(node.input[0])
            if place == 3 or weights != activations or self._is_constant(node.input[place]):
                yield weights, activations

    def _is_constant(self, name: str) -> bool:
        maker = self.makers.get(name)
        return name in self.stored or (maker is not None and self._is_constant(maker.input[0]))

    def kind(self, name: str) -> str:
        """NumPy's or ml_dtypes' name of the type."""
        while (maker := self.makers.get(name)) is not None and maker.op_type in PASSING:
            name = maker.input[0]
        if maker is not None and maker.op_type == "DequantizeLinear":
            return self._integers(maker.input[0])
        return self._integers(name) if name in self.stored or self._quantized(maker) else "float32"

    @staticmethod
    def _quantized(maker: onnx.NodeProto | None) -> bool:
        return maker is not None and (maker.op_type.startswith("QLinear") or maker.op_type in ("QGemm", QUANTIZE))

    def _integers(self, name: str) -> str:
        """The type of a tensor of integers: stored so, or by the zero point of what makes it; else uint8, as ONNX."""
        if name in self.stored:
            return _dtype(self.stored[name])
        maker = self.makers.get(name)
        if maker is None:
            return "uint8"
        if maker.op_type == QUANTIZE:
            told = next((attribute.i for attribute in maker.attribute if attribute.name == "output_dtype"), 0)
            zero = maker.input[2] if len(maker.input) > 2 else ""
            return _dtype(told or self.stored.get(zero, onnx.TensorProto.UINT8))
        zeros = [self.stored[each] for each in maker.input if self.stored.get(each) in INTEGERS]
        return _dtype(zeros[-1]) if zeros and self._quantized(maker) else self._integers(maker.input[0])


QUANTIZE = "QuantizeLinear"
INTEGERS = (onnx.TensorProto.UINT8, onnx.TensorProto.INT8)


def _dtype(code: int) -> str:
    return str(helper.tensor_dtype_to_np_dtype(code))
