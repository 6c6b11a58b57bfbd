"""In which types the products of a quantized ONNX graph read their weights and activations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx
from onnx import helper

# operators with a weight: where it stands among the inputs
PRODUCTS = {
    **dict.fromkeys(("Conv", "ConvTranspose", "Gemm", "MatMul", "ConvInteger", "MatMulInteger"), 1),
    **dict.fromkeys(("QLinearConv", "QLinearMatMul", "QGemm"), 3),
}
# what changes no type between a DequantizeLinear and the product that reads it
PASSING = ("Transpose", "Reshape", "Flatten", "Identity", "Squeeze", "Unsqueeze", "MaxPool", "Relu", "Clip", "Pad")
HALVES = {onnx.TensorProto.FLOAT16: "float16", onnx.TensorProto.BFLOAT16: "bfloat16"}
QUANTIZE = "QuantizeLinear"
INTEGERS = (onnx.TensorProto.UINT8, onnx.TensorProto.INT8)


def remainder(model: onnx.ModelProto) -> str:
    """The type of what is not quantized."""
    return next((HALVES[t.data_type] for t in model.graph.initializer if t.data_type in HALVES), "float32")


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
        return name in self.stored or (maker is not None and any(map(self._is_constant, maker.input[:1])))

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
        if maker is None or not maker.input:
            return "uint8"
        if maker.op_type == QUANTIZE:
            told = next((attribute.i for attribute in maker.attribute if attribute.name == "output_dtype"), 0)
            zero = maker.input[2] if len(maker.input) > 2 else ""
            return _dtype(told or self.stored.get(zero, onnx.TensorProto.UINT8))
        zeros = [self.stored[each] for each in maker.input if self.stored.get(each) in INTEGERS]
        return _dtype(zeros[-1]) if zeros and self._quantized(maker) else self._integers(maker.input[0])


def _dtype(code: int) -> str:
    return str(helper.tensor_dtype_to_np_dtype(code))
