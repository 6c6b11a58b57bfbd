"""Which nodes of a graph each node of its optimized form stands for: an optimizer fuses, replaces and renames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import onnx

from roundoff.graph.costs import WEIGHTS_AT, node_name

Covering = dict[str, tuple[str, ...]]
"""Node of the optimized graph → the nodes that it stands for, in their order; none: the optimizer has added it."""
READ_AHEAD = ("DequantizeLinear", "Constant", "Identity", *WEIGHTS_AT)
"""What is fused into the node behind it; anything else, such as a Relu, into the one before."""


def covering(source: onnx.GraphProto, optimized: onnx.GraphProto, called: Mapping[str, str]) -> Covering:
    """By names first, then by tensors that both graphs have; what is left was fused into its neighbour.

    `called` has, for a node of `optimized`, the name that it had before it was renamed.
    """
    homes = _Homes(list(source.node))
    homes.by_names({node_name(node): called.get(node_name(node), node_name(node)) for node in optimized.node})
    homes.by_tensors(list(optimized.node))
    homes.by_neighbours()
    return {node_name(node): tuple(homes.of(node_name(node))) for node in optimized.node}


@dataclass
class _Homes:
    """For nodes of the source, in their order, the node of the optimized graph that each belongs to."""

    nodes: list[onnx.NodeProto]
    homes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.makers = {name: node for node in self.nodes for name in node.output}
        self.order = {node_name(node): place for place, node in enumerate(self.nodes)}
        self.readers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.nodes:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)

    def of(self, home: str) -> Iterator[str]:
        """The nodes that belong to `home`."""
        return (name for name in self.order if self.homes.get(name) == home)

    def by_names(self, called: Mapping[str, str]) -> None:
        """Nodes that something in the optimized graph is called after, or after what they give."""
        for runs, name in called.items():
            if name not in self.order and name in self.makers:
                name = node_name(self.makers[name])
            if name in self.order:
                self.homes.setdefault(name, runs)

    def by_tensors(self, optimized: list[onnx.NodeProto]) -> None:
        """What lies before a tensor that a node, called after none, gives; as far back as what others give."""
        given = {name for node in optimized for name in node.output}
        settled = set(self.homes.values())
        for node in optimized:
            if node_name(node) not in settled:
                ends = {*node.input, *(given - set(node.output))}
                self._claim([name for name in node.output if name], ends, node_name(node))

    def _claim(self, open_ends: list[str], ends: set[str], home: str) -> None:
        while open_ends:
            maker = self.makers.get(open_ends.pop())
            if maker is not None and node_name(maker) not in self.homes:
                self.homes[node_name(maker)] = home
                open_ends += [name for name in maker.input if name not in ends]

    def by_neighbours(self) -> None:
        """What nothing is called after, such as a Relu that a convolution now does."""
        for node in self.nodes:  # in their order, so that what is before has its home
            if node.op_type not in READ_AHEAD:
                self._move_in(node, [self.makers[name] for name in node.input if name in self.makers], latest=True)
        for node in reversed(self.nodes):
            self._move_in(node, [each for name in node.output for each in self.readers.get(name, [])], latest=False)
        for node in self.nodes:
            self._move_in(node, [self.makers[name] for name in node.input if name in self.makers], latest=True)

    def _move_in(self, node: onnx.NodeProto, neighbours: list[onnx.NodeProto], latest: bool) -> None:
        known = [node_name(each) for each in neighbours if node_name(each) in self.homes]
        if known and node_name(node) not in self.homes:
            nearest = max(known, key=self.order.__getitem__) if latest else min(known, key=self.order.__getitem__)
            self.homes[node_name(node)] = self.homes[nearest]
