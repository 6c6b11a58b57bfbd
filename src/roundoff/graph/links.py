"""Chains of operators that 8-bit kernels can run without a detour by way of floats."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from roundoff.graph.queries import activations, constants

FOLDED = ("Relu", "Clip")
"""What a kernel does by the ends of its output's grid, if nothing else reads what it is given."""
CHAINED = ("Add", "Mul", "Sigmoid", "LeakyRelu", "Concat", "AveragePool", "GlobalAveragePool")
"""Operators with an 8-bit kernel that has a grid of its own for what it gives."""
MOVING = ("MaxPool", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Slice", "DepthToSpace", "SpaceToDepth")
"""Operators that only choose or move values: what they give is on the grid of what they take."""


@dataclass(frozen=True)
class Links:
    """Who gives and who reads each tensor of a graph."""

    nodes: list[onnx.NodeProto]
    makers: Mapping[str, onnx.NodeProto]
    readers: Mapping[str, list[onnx.NodeProto]]
    outputs: Collection[str]
    known: Mapping[str, NDArray[np.generic]]
    moving: Collection[str]

    @classmethod
    def of(cls, model: onnx.ModelProto) -> Links:
        """The links of that graph."""
        readers: dict[str, list[onnx.NodeProto]] = {}
        for node in model.graph.node:
            for name in dict.fromkeys(node.input):
                readers.setdefault(name, []).append(node)
        makers = {name: node for node in model.graph.node for name in node.output}
        outputs = {value.name for value in model.graph.output}
        return cls(list(model.graph.node), makers, readers, outputs, constants(model), activations(model))

    def settled(self, name: str) -> str:
        """The tensor that is left of `name` once its Relu or Clip, if that alone reads it, is folded."""
        readers = self.readers.get(name, [])
        if len(readers) == 1 and name not in self.outputs and self._folds(readers[0]):
            return str(readers[0].output[0])
        return name

    def _folds(self, node: onnx.NodeProto) -> bool:
        return node.op_type in FOLDED and all(name in self.known for name in list(node.input)[1:] if name)

    def taken(self, node: onnx.NodeProto) -> list[str]:
        """The activations that a node takes."""
        return [name for name in node.input if name in self.moving]

    def chains(self, node: onnx.NodeProto) -> bool:
        """Whether the node may be a link of a chain: any constant in it is one number."""
        fixed = [self.known[name] for name in node.input if name in self.known]
        numbers = node.op_type not in ("Add", "Mul") or all(values.size == 1 for values in fixed)
        return node.op_type in CHAINED and numbers and len(self.taken(node)) + len(fixed) == len(node.input)

    def factor(self, node: onnx.NodeProto) -> float | None:
        """The positive number that the node multiplies its one activation with; None for any other node."""
        if node.op_type not in ("Mul", "Div") or len(node.input) != 2 or len(self.taken(node)) != 1:
            return None
        name = next((name for name in node.input if name in self.known), "")
        if not name or self.known[name].size != 1 or (node.op_type == "Div" and node.input[1] != name):
            return None
        value = float(self.known[name].reshape(()))
        value = 1 / value if node.op_type == "Div" and value else value
        return value if np.isfinite(value) and value > 0 else None
