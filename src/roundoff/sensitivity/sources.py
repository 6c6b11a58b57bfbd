"""What an 8-bit graph is made of: the sources of its error, each of which can be switched on by itself.

A source is a tensor that the graph holds in 8 bits: an activation, or a weight with the bias that was corrected for it.
Tensors that an operator only moves values between share one grid and are one source: rounding twice to one grid is
rounding once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from roundoff.graph.links import MOVING
from roundoff.graph.queries import constants
from roundoff.precision.rewriting.kept import QUANTIZED
from roundoff.results.sensitivity import Kind

Place = tuple[int, int]
"""A node's place in the graph's list, and the number of one of its inputs."""


@dataclass(frozen=True)
class Source:
    """A tensor of the float graph, and which inputs of which nodes read it in 8 bits: the 8-bit tensor by place."""

    name: str
    kind: Kind
    reads: Mapping[Place, str]
    readers: tuple[str, ...] = ()
    """Names of the nodes that read it."""

    @property
    def tensors(self) -> set[str]:
        """The tensors of the float graph that are one with it: itself, and those that its codes are moved to."""
        moved = {name.removesuffix(QUANTIZED) for name in self.reads.values()} if self.kind == "activation" else set()
        return {self.name, *moved}


@dataclass(frozen=True)
class Parts:
    """The float graph, in which every 8-bit tensor is there and nothing reads it; and the sources, in its order."""

    model: onnx.ModelProto
    sources: list[Source]


def parts_of(floats: onnx.ModelProto, paired: onnx.ModelProto) -> Parts:
    """The sources by which the graph with pairs differs from the float graph that it was made from."""
    return _Difference(floats, paired).parts()


@dataclass
class _Difference:
    floats: onnx.ModelProto
    paired: onnx.ModelProto
    _reads: dict[tuple[str, Kind], dict[Place, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._known: Mapping[str, NDArray[np.generic]] = constants(self.paired)
        self._makers = {node.output[0]: node for node in self.paired.graph.node}
        self._own = {name for node in self.floats.graph.node for name in node.output}
        self._pairs = {node.input[0]: node for node in self.paired.graph.node if node.op_type == "QuantizeLinear"}
        self._missing: list[onnx.NodeProto] = []

    def parts(self) -> Parts:
        for index, node in enumerate(self.floats.graph.node):
            other = self._makers.get(node.output[0])
            if other is None:
                continue
            if other.op_type == node.op_type:
                self._compare(index, node, other)
            else:
                self._reading(index, node)
        model, places = self._merged()
        return Parts(model, list(self._sources(places)))

    def _compare(self, index: int, node: onnx.NodeProto, other: onnx.NodeProto) -> None:
        for slot, name in enumerate(other.input):
            if slot >= len(node.input) or node.input[slot] != name:
                source = self._source(node, slot, name)
                if source is not None:
                    self._reads.setdefault(source, {})[index, slot] = name

    def _source(self, node: onnx.NodeProto, slot: int, name: str) -> tuple[str, Kind] | None:
        """The tensor and kind behind what a node reads; None for a constant of one code, which has no error."""
        maker = self._makers.get(name)
        if maker is None:  # a bias that was corrected for the weight
            return node.input[1], "weight"
        quantizer = self._makers.get(maker.input[0])
        if quantizer is not None:
            return self._root(quantizer.input[0]), "activation"
        return (node.input[slot], "weight") if slot == 1 and self._is_weight(node) else None

    def _is_weight(self, node: onnx.NodeProto) -> bool:
        return node.op_type not in ("Add", "Mul")

    def _reading(self, index: int, node: onnx.NodeProto) -> None:
        """A product with a number that reads the codes on another grid: here it multiplies what the pair gives."""
        for slot, name in enumerate(node.input):
            if name in self._pairs:
                given = f"{name}{QUANTIZED}"
                if given not in self._makers:
                    grid = self._pairs[name]
                    self._missing.append(
                        helper.make_node("DequantizeLinear", [grid.output[0], *grid.input[1:]], [given])
                    )
                    self._makers[given] = self._missing[-1]
                self._reads.setdefault((self._root(name), "activation"), {})[index, slot] = given

    def _root(self, name: str) -> str:
        """The tensor whose codes are moved on to this one."""
        maker = self._makers.get(name)
        if maker is None or maker.op_type not in MOVING:
            return name
        behind = self._makers.get(maker.input[0])
        before = self._makers.get(behind.input[0]) if behind is not None else None
        if before is None or before.op_type != "QuantizeLinear" or not self._same_grid(before, self._pairs[name]):
            return name
        return self._root(before.input[0])

    def _same_grid(self, one: onnx.NodeProto, other: onnx.NodeProto) -> bool:
        pairs = zip(list(one.input)[1:], list(other.input)[1:], strict=True)
        return all(np.array_equal(self._known[a].astype(float), self._known[b].astype(float)) for a, b in pairs)

    def _merged(self) -> tuple[onnx.ModelProto, dict[int, int]]:
        """The float graph with the makers of all 8-bit tensors, and the new place of each node by its old one."""
        model = onnx.ModelProto()
        model.CopyFrom(self.floats)
        behind: dict[str, list[onnx.NodeProto]] = {}
        front: list[onnx.NodeProto] = []
        for node in [*self.paired.graph.node, *self._missing]:
            if node.output[0] not in self._own:
                start = self._start(node)
                (front if start is None else behind.setdefault(start, [])).append(node)
        nodes, places = [*front, *(each for value in model.graph.input for each in behind.get(value.name, []))], {}
        for index, node in enumerate(self.floats.graph.node):
            places[index] = len(nodes)
            nodes += [node, *(each for name in node.output for each in behind.get(name, []))]
        del model.graph.node[:]
        model.graph.node.extend(nodes)
        own = {tensor.name for tensor in model.graph.initializer}
        model.graph.initializer.extend(each for each in self.paired.graph.initializer if each.name not in own)
        return model, places

    def _start(self, node: onnx.NodeProto) -> str | None:
        """The float tensor that a pair's node reads; None for one of constants."""
        if node.op_type == "QuantizeLinear":
            return str(node.input[0])
        maker = self._makers.get(node.input[0])
        return self._start(maker) if maker is not None and maker.output[0] not in self._own else None

    def _sources(self, places: Mapping[int, int]) -> Iterator[Source]:
        nodes = self.floats.graph.node
        for (name, kind), reads in sorted(self._reads.items(), key=lambda each: min(each[1])):
            readers = dict.fromkeys(nodes[index].name or nodes[index].output[0] for index, _ in sorted(reads))
            moved = {(places[index], slot): tensor for (index, slot), tensor in reads.items()}
            yield Source(name, kind, moved, tuple(readers))
