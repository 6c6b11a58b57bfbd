"""Which operators of a .tflite model compute in 8 bits: what `precision.rewriting.placement` has for kernels of CPUs.

1. Layers with a weight do, and what lies between two of them and loses next to nothing in 8 bits. All else stays in
   float32: layer norms, Softmax, GELU, scales by channel, products of two activations.
2. A fully connected layer in 8 bits gives 8 bits, which float operators behind it would take for exact. Where no other
   layer reads them it takes floats and gives floats, and rounds what it takes to 8 bits as it runs, row by row.
3. Depthwise convolutions with more taps than the fast kernels have stay in float32, where they are far faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from roundoff.backend.tflite.observing import MULTIPLIERS
from roundoff.export.tflite_graph import TfliteGraph

CHAINED = ("ADD", "MUL", "LOGISTIC", "LEAKY_RELU", "CONCATENATION", "AVERAGE_POOL_2D", "MEAN", "RELU", "RELU6")
"""Operators whose 8-bit kernel has a grid of its own for what it gives."""
MOVING = ("MAX_POOL_2D", "TRANSPOSE", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "SLICE", "STRIDED_SLICE", "SPLIT", "PAD")
REARRANGING = (*MOVING, "DEPTH_TO_SPACE", "SPACE_TO_DEPTH")
"""Operators that only choose or move values."""
DEPTHWISE_TAPS = 25
"""XNNPACK's 8-bit kernels for depthwise convolutions have no more; LiteRT's own took five times float32's on 7 × 7."""


@dataclass(frozen=True)
class Reach:
    """The operators that stay in float32, and the layers that round what they take as they run."""

    outside: list[Any]
    rounding: list[Any]


def reach(graph: TfliteGraph, left: Sequence[Any]) -> Reach:
    """How far 8 bits reach, if the operators that are `left` in float32 end a chain."""
    search = _Search(graph, left)
    search.forward()
    inside = {id(each) for each in search.useful()}
    return Reach([each for each in graph.operators if id(each) not in inside], search.rounding)


class _Search:
    def __init__(self, graph: TfliteGraph, left: Sequence[Any]) -> None:
        self.graph, self.operators = graph, graph.operators
        self.left = {id(each) for each in left}
        self.readers: dict[int, list[Any]] = {}
        for each in self.operators:
            for tensor in dict.fromkeys(map(int, each.inputs)):
                self.readers.setdefault(tensor, []).append(each)
        self.links: list[Any] = []
        self.layers = [each for each in self.operators if self._is_layer(each)]
        self.rounding = [each for each in self.layers if self._gives_floats(each)]

    def forward(self) -> None:
        """Find all operators that could be links."""
        floats = {id(each) for each in self.rounding}
        eight = {int(tensor) for each in self.layers if id(each) not in floats for tensor in each.outputs}
        for each in self.operators:
            if eight.intersection(self._taken(each)) and self._may_link(each):
                self.links.append(each)
                eight.update(map(int, each.outputs))

    def useful(self) -> list[Any]:
        """The layers, and the links at whose end a layer waits for 8 bits."""
        floats = {id(each) for each in self.rounding}
        wanted = {tensor for each in self.layers if id(each) not in floats for tensor in self._taken(each)}
        found = list(self.layers)
        for each in reversed(self.links):
            if wanted.intersection(map(int, each.outputs)):
                found.append(each)
                wanted.update(self._taken(each))
        return found

    def _is_layer(self, operator: Any) -> bool:
        kind = self.graph.operator(operator)
        if kind not in MULTIPLIERS or id(operator) in self.left:
            return False
        weight = self.graph.constant(int(operator.inputs[1]))
        fast = weight is None or kind != "DEPTHWISE_CONV_2D" or prod(weight.shape[1:3]) <= DEPTHWISE_TAPS
        return weight is not None and fast

    def _gives_floats(self, layer: Any) -> bool:
        return self.graph.operator(layer) == "FULLY_CONNECTED" and not self._leads_to_layer(int(layer.outputs[0]))

    def _leads_to_layer(self, tensor: int) -> bool:
        """Whether a layer reads the tensor, with nothing but moves between."""
        return any(
            self._is_layer(each)
            or (
                self.graph.operator(each) in REARRANGING
                and id(each) not in self.left
                and any(self._leads_to_layer(int(output)) for output in each.outputs)
            )
            for each in self.readers.get(tensor, [])
        )

    def _may_link(self, operator: Any) -> bool:
        fixed = [self.graph.constant(int(each)) for each in operator.inputs]
        numbers = all(values is None or values.size == 1 for values in fixed)
        kind = self.graph.operator(operator)
        return id(operator) not in self.left and (kind in REARRANGING or (kind in CHAINED and numbers))

    def _taken(self, operator: Any) -> list[int]:
        """What it takes, without constants of floats."""
        return [int(each) for each in operator.inputs if int(each) >= 0 and self.graph.constant(int(each)) is None]
