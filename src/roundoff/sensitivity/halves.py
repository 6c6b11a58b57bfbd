"""Where a graph in 16-bit floats rounds: which inputs of which nodes read a value that 16 bits held.

A node that computes in 16 bits takes rounded values and rounds what it gives; one in float32 does neither, but reads
what others have rounded. So which nodes are in float32 tells which values are exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from roundoff.graph.queries import element_types
from roundoff.precision.rewriting.cast import constants_to_initializers, is_meant, lower
from roundoff.precision.rewriting.float_types import Half
from roundoff.sensitivity.sources import Place

ROUNDED = "/rounded"
"""Behind a tensor's name: its values as 16 bits hold them, in float32."""

Wide = frozenset[int]
"""Places of nodes that are in float32."""


@dataclass(frozen=True)
class Narrow:
    """A node that can compute in 16 bits: the inputs that it then takes so, and the outputs that it gives so."""

    node: onnx.NodeProto
    takes: frozenset[int]
    gives: frozenset[str]


@dataclass(frozen=True)
class Halves:
    """The float graph, in which every rounded tensor is there and nothing reads it; its 16-bit nodes by place.

    `readers` are the inputs that read each tensor that may be rounded. An Identity gives the logits, so that they are
    among these.
    """

    model: onnx.ModelProto
    narrow: Mapping[int, Narrow]
    readers: Mapping[str, Sequence[Place]]

    def wide(self, names: Sequence[str]) -> Wide:
        """The 16-bit nodes that these names of nodes, tensors or operators leave in float32."""
        return frozenset[int]().union(*map(self._meant, names))

    def _meant(self, name: str) -> Wide:
        if name in self._called and not set(name) & set("*?["):
            return self._called[name]
        return frozenset(place for place, each in self.narrow.items() if is_meant(each.node, name))

    @cached_property
    def _called(self) -> dict[str, Wide]:
        """The nodes by their names, operators and tensors."""
        places: dict[str, set[int]] = {}
        for place, each in self.narrow.items():
            for name in (each.node.op_type, each.node.name, *each.node.input, *each.node.output):
                places.setdefault(name, set()).add(place)
        return {name: frozenset(found) for name, found in places.items()}

    def reads(self, wide: Wide = frozenset()) -> dict[Place, str]:
        """What is read rounded, by the place where it is, with those nodes in float32."""
        held = {name for place, each in self.narrow.items() if place not in wide for name in each.gives}
        return {
            place: f"{name}{ROUNDED}"
            for name, places in self.readers.items()
            for place in places
            if name in held or self._takes(place, wide)
        }

    def touching(self, tensors: Sequence[str]) -> list[onnx.NodeProto]:
        """The 16-bit nodes that give or take any of these."""
        wanted = set(tensors)
        nodes = (each.node for each in self.narrow.values())
        return [node for node in nodes if not wanted.isdisjoint([*node.input, *node.output])]

    def _takes(self, place: Place, wide: Wide) -> bool:
        node, slot = place
        return node in self.narrow and node not in wide and slot in self.narrow[node].takes


def halves_of(model: onnx.ModelProto, half: Half, keep: Sequence[str]) -> Halves:
    """Of the model lowered to that type, but for what `keep` names; raises what lowering raises."""
    floats = onnx.ModelProto()
    floats.CopyFrom(model)
    constants_to_initializers(floats.graph)
    lowered = lower(model, half, keep)
    narrow = dict(_narrow(floats, lowered, half))
    rounded = {name for node in narrow.values() for name in [*node.gives, *(node.node.input[i] for i in node.takes)]}
    return _merged(floats, lowered, half, narrow, rounded)


def _narrow(floats: onnx.ModelProto, lowered: onnx.ModelProto, half: Half) -> Iterator[tuple[int, Narrow]]:
    """The nodes of the float graph that touch the 16-bit type in the other, by place."""
    types, own = element_types(lowered), element_types(floats)
    makers = {node.output[0]: node for node in lowered.graph.node}
    for place, node in enumerate(floats.graph.node):
        other = _counterpart(node.output[0], makers, half)
        pairs = list(zip(node.output, other.output, strict=True))
        takes = {slot for slot, name in enumerate(other.input) if name and types.get(name) == half.code}
        takes = {slot for slot in takes if own.get(node.input[slot]) == TensorProto.FLOAT}
        gives = {name for name, inner in pairs if name and types.get(inner) == half.code != own.get(name)}
        if takes or gives:
            yield place, Narrow(node, frozenset(takes), frozenset(gives))


def _counterpart(output: str, makers: Mapping[str, onnx.NodeProto], half: Half) -> onnx.NodeProto:
    """The node of the lowered graph that gives this; before the Cast that gives a graph's output back its type."""
    found, inner = makers[output], f"{output}_{half.dtype.name}"
    return makers[inner] if found.op_type == "Cast" and found.input[0] == inner else found


def _merged(
    floats: onnx.ModelProto, lowered: onnx.ModelProto, half: Half, narrow: Mapping[int, Narrow], rounded: set[str]
) -> Halves:
    values = {tensor.name: tensor for tensor in lowered.graph.initializer}
    fixed = {tensor.name for tensor in floats.graph.initializer}
    logits = floats.graph.output[0].name
    nodes: list[onnx.NodeProto] = []
    places: dict[int, Narrow] = {}
    readers: dict[str, list[Place]] = {}
    end = helper.make_node("Identity", [logits], [f"{logits}/given"])
    for place, node in enumerate([*floats.graph.node, end]):
        if place in narrow:
            places[len(nodes)] = narrow[place]
        for slot, name in enumerate(node.input):
            if name in rounded:
                readers.setdefault(name, []).append((len(nodes), slot))
        nodes += [node, *(each for name in node.output if name in rounded for each in _rounding(name, half))]
    merged = onnx.ModelProto()
    merged.CopyFrom(floats)
    del merged.graph.node[:]
    merged.graph.node.extend(nodes)
    merged.graph.output[0].name = end.output[0]
    merged.graph.initializer.extend(_as_held(values[f"{name}_{half.dtype.name}"], name) for name in rounded & fixed)
    return Halves(merged, places, readers)


def _rounding(name: str, half: Half) -> list[onnx.NodeProto]:
    inner = f"{name}/held"
    return [
        helper.make_node("Cast", [name], [inner], to=half.code),
        helper.make_node("Cast", [inner], [f"{name}{ROUNDED}"], to=TensorProto.FLOAT),
    ]


def _as_held(tensor: onnx.TensorProto, name: str) -> onnx.TensorProto:
    return numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), f"{name}{ROUNDED}")
