"""Questions to a graph of single steps: what makes a tensor, and which of two inputs is a constant."""

from __future__ import annotations

import math

import onnx
from onnx import numpy_helper

CLOSE = 1e-6
"""Relative: two float32 that stand for one number."""


class Pieces:
    """The nodes of a graph by what they make, its initializers and the sizes of its tensors.

    Weights may lie in a file beside the graph: of constants with several numbers only the shape is read.
    """

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._makers = {name: node for node in graph.node for name in node.output}
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        types = {value.name: value.type.tensor_type for value in (*graph.input, *graph.value_info)}
        self._sizes = {name: [size.dim_value for size in each.shape.dim] for name, each in types.items()}

    def sizes(self, name: str) -> list[int]:
        """How long each of the tensor's axes is, 0 for one that is open; empty where that was not inferred."""
        return self._sizes.get(name, [])

    def made(self, name: str, operator: str) -> onnx.NodeProto | None:
        """The node of that operator that makes the tensor."""
        node = self._makers.get(name)
        return node if node is not None and node.op_type == operator else None

    def only(self, name: str, operator: str) -> str:
        """The first input of the operator that makes the tensor; empty where another makes it."""
        node = self.made(name, operator)
        return str(node.input[0]) if node is not None else ""

    def pairs(self, name: str, operator: str) -> list[tuple[str, str]]:
        """The two inputs of the operator that makes the tensor, in either order; none where another makes it."""
        node = self.made(name, operator)
        return [] if node is None else [(node.input[0], node.input[1]), (node.input[1], node.input[0])]

    def with_constant(self, name: str, operator: str) -> tuple[str, onnx.TensorProto] | None:
        """The activation and the float32 initializer that the operator makes the tensor of."""
        found = [(a, self._tensors[b]) for a, b in self.pairs(name, operator) if b in self._tensors]
        whole = len(found) == 1 and found[0][1].data_type == onnx.TensorProto.FLOAT
        return found[0] if whole else None

    def number(self, name: str) -> float | None:
        """The one number of an initializer; None for any other tensor."""
        tensor = self._tensors.get(name)
        if tensor is None or math.prod(tensor.dims) != 1:
            return None
        return float(numpy_helper.to_array(tensor).reshape(()))

    def is_number(self, name: str, expected: float) -> bool:
        """Whether the tensor is an initializer of that number."""
        found = self.number(name)
        return found is not None and math.isclose(found, expected, rel_tol=CLOSE)
