"""What an ONNX graph's nodes cost by its shapes: multiply-adds, and bytes read and written, of one batch."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

import onnx

WEIGHTS_AT = {
    **dict.fromkeys(("Conv", "ConvTranspose", "Gemm", "MatMul", "ConvInteger", "MatMulInteger"), 1),
    **dict.fromkeys(("QLinearConv", "QLinearMatMul"), 3),
}
"""Operators that multiply, and the place of their weights among their inputs."""

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Costs:
    """Of a graph at one batch size: `shapes` and bytes per element by tensor, as far as they can be inferred."""

    model: onnx.ModelProto
    shapes: Mapping[str, Shape]
    element_bytes: Mapping[str, float]

    @classmethod
    def of(cls, model: onnx.ModelProto, batch: int) -> Costs:
        """Those of the graph with `batch` images at its one input."""
        sized = onnx.ModelProto()
        sized.CopyFrom(model)
        fixed = {tensor.name for tensor in sized.graph.initializer}
        for value in sized.graph.input:
            if value.name not in fixed and value.type.tensor_type.shape.dim:
                value.type.tensor_type.shape.dim[0].dim_value = batch
        for value in sized.graph.output:
            value.type.tensor_type.ClearField("shape")
        del sized.graph.value_info[:]
        graph = onnx.shape_inference.infer_shapes(sized, data_prop=True).graph
        values = [*graph.input, *graph.value_info, *graph.output]
        shapes = {value.name: shape for value in values if (shape := _shape(value)) is not None}
        sizes = {value.name: _bytes(value.type.tensor_type.elem_type) for value in values}
        shapes |= {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
        sizes |= {tensor.name: _bytes(tensor.data_type) for tensor in graph.initializer}
        return cls(model, shapes, sizes)

    @cached_property
    def macs(self) -> dict[str, int]:
        """Multiply-adds by node, of those that multiply and whose shapes are known."""
        counts = {node_name(node): self._multiplied(node) for node in self.model.graph.node}
        return {name: count for name, count in counts.items() if count is not None}

    def macs_of(self, nodes: Collection[str]) -> int | None:
        """Multiply-adds of several nodes; None where nothing tells them."""
        known = [self.macs[name] for name in nodes if name in self.macs]
        return sum(known) if known else None

    def moved_bytes(self, nodes: Collection[str]) -> int | None:
        """Bytes that these nodes, fused into one, read and write; None where a shape is not known."""
        members = [node for node in self.model.graph.node if node_name(node) in nodes]
        made = {name for node in members for name in node.output if name}
        read = {name for node in members for name in node.input if name} - made
        elsewhere = {name for node in self.model.graph.node if node_name(node) not in nodes for name in node.input}
        written = made & (elsewhere | {value.name for value in self.model.graph.output})
        sizes = [self._size(name) for name in read | written]
        return None if not members or None in sizes else round(sum(size for size in sizes if size is not None))

    def _size(self, tensor: str) -> float | None:
        shape = self.shapes.get(tensor)
        return None if shape is None else math.prod(shape) * self.element_bytes.get(tensor, 4)

    def _multiplied(self, node: onnx.NodeProto) -> int | None:
        at = WEIGHTS_AT.get(node.op_type)
        if at is None:
            return None
        left, weights, result = (self.shapes.get(name) for name in (node.input[0], node.input[at], node.output[0]))
        if node.op_type == "ConvTranspose":
            return math.prod(left) * math.prod(weights[1:]) if left and weights else None
        if not (left and weights and result):
            return None
        if "Conv" in node.op_type:
            return math.prod(result) * math.prod(weights[1:])
        across = any(each.name == "transA" and each.i for each in node.attribute)
        return math.prod(result) * (left[0] if across else left[-1])


def node_name(node: onnx.NodeProto) -> str:
    """The node's name; of one without, that of the tensor that it gives."""
    return node.name or str(node.output[0])


def _shape(value: onnx.ValueInfoProto) -> Shape | None:
    """None where a dimension is not known."""
    dims = value.type.tensor_type.shape.dim
    known = value.type.tensor_type.HasField("shape") and all(dim.HasField("dim_value") for dim in dims)
    return tuple(dim.dim_value for dim in dims) if known else None


def _bytes(code: int) -> float:
    if code in (onnx.TensorProto.UNDEFINED, onnx.TensorProto.STRING):
        return 4.0
    return float(onnx.helper.tensor_dtype_to_np_dtype(code).itemsize)
