"""How far 8-bit kernels reach from the weighted nodes on, where a kernel is 8-bit only if its output is in 8 bits."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import onnx

from roundoff.graph.links import FOLDED, MOVING, Links


@dataclass(frozen=True)
class Chains:
    """The tensors in 8 bits, and the nodes around them, each by its first output.

    `grids` names, for each tensor with a pair, the tensor whose range it has. What is `given` by an 8-bit node is read
    through its pair by whatever reads it. `rescaled` are products with a number: the same codes on another grid.
    """

    grids: Mapping[str, str]
    given: Collection[str]
    chained: Collection[str]
    rescaled: Mapping[str, float]


def chains(
    model: onnx.ModelProto,
    weighted: Collection[int],
    excluded: Collection[int] = (),
    without: Collection[str] = (),
    observed: Collection[str] | None = None,
) -> Chains:
    """From the weighted nodes at these places of the graph's list as far as 8-bit kernels reach.

    Nodes at `excluded` places end a chain, and so do tensors `without` a pair and those that are not `observed`.
    """
    search = _Search(Links.of(model), weighted, excluded, without, observed)
    search.forward()
    return search.found()


class _Search:
    def __init__(
        self,
        links: Links,
        weighted: Collection[int],
        excluded: Collection[int],
        without: Collection[str],
        observed: Collection[str] | None,
    ) -> None:
        self.links, self.without, self.observed = links, without, observed
        self.starts = {links.nodes[place].output[0]: links.nodes[place] for place in sorted(weighted)}
        self.excluded = {links.nodes[place].output[0] for place in excluded}
        self.eight = {node.input[0] for node in self.starts.values()}
        self.gives: dict[str, str] = {}  # by the first output of an 8-bit node
        self.factors: dict[str, float] = {}

    def forward(self) -> None:
        """Find all nodes that could be links."""
        for node in self.links.nodes:
            output = node.output[0]
            if output in self.starts:
                self._start(node)
            elif output not in self.excluded and self.eight.intersection(self.links.taken(node)):
                self._link(node)

    def _start(self, node: onnx.NodeProto) -> None:
        settled = self.links.settled(node.output[0])
        # A MatMul's kernel hands on floats, and adds the bias that follows.
        if node.op_type != "MatMul" and self._may_have_a_pair(settled):
            self._give(node, settled)

    def _link(self, node: onnx.NodeProto) -> None:
        output, taken = node.output[0], self.links.taken(node)
        if node.op_type in MOVING:
            if taken == [node.input[0]] and taken[0] not in self.factors and self._may_have_a_pair(output):
                self._give(node, output)
            return
        factor = self.links.factor(node)
        if factor is not None:
            if output not in self.links.outputs:
                self.factors[output] = factor
                self._give(node, output)
            return
        settled = self.links.settled(output)
        tensors = [settled, *(name for name in taken if name not in self.eight)]
        if self.links.chains(node) and all(self._may_have_a_pair(name) and self._has_a_range(name) for name in tensors):
            self._give(node, settled)

    def _give(self, node: onnx.NodeProto, tensor: str) -> None:
        self.gives[node.output[0]] = tensor
        self.eight.add(tensor)

    def _may_have_a_pair(self, name: str) -> bool:
        return name not in self.without and name not in self.links.outputs

    def _has_a_range(self, name: str) -> bool:
        return self.observed is None or name in self.observed

    def found(self) -> Chains:
        """What is left without the links at whose end no weighted node waits."""
        useful = self._useful()
        rescaled = {output: factor for output, factor in self.factors.items() if output in useful}
        given = {self.gives[output] for output in self.gives if output in useful} - rescaled.keys()
        taken = {node.input[0] for node in self.starts.values()}
        taken |= {name for name in useful - self.starts.keys() for name in self.links.taken(self.links.makers[name])}
        grids: dict[str, str] = {}
        for name in [*sorted(taken - given - rescaled.keys()), *self._in_order(given)]:
            maker = self.links.makers.get(name)
            moved = maker is not None and maker.op_type in MOVING and name in given
            grids[name] = grids[maker.input[0]] if maker is not None and moved else self._joined(name, given)
        return Chains(grids, given, useful - self.starts.keys() - rescaled.keys(), rescaled)

    def _joined(self, name: str, given: Collection[str]) -> str:
        """The tensor on whose grid the named one is: what it is but a part of, so that no part is rounded twice."""
        readers = self.links.readers.get(name, [])
        if (
            name not in given
            or [each.op_type for each in readers] != ["Concat"]
            or not self._ends_alike(name, readers[0])
        ):
            return name
        whole = self.links.settled(readers[0].output[0])
        if whole in given:
            return self._joined(whole, given)
        return name if self._has_a_range(name) else whole

    def _ends_alike(self, name: str, concat: onnx.NodeProto) -> bool:
        """Whether the grid of all parts can do what the Relu or Clip that gives this one does, which it has folded."""
        makers = [self.links.makers.get(part) for part in concat.input]
        maker = self.links.makers[name]
        same = all(each and (each.op_type, each.input[1:]) == (maker.op_type, maker.input[1:]) for each in makers)
        return same or maker.op_type not in FOLDED

    def _useful(self) -> set[str]:
        useful = self.gives.keys() & self.starts.keys()
        for node in reversed(self.links.nodes):
            output = node.output[0]
            if output in self.gives and output not in self.starts:
                readers = self.links.readers.get(self.gives[output], [])
                if any(self._leads_on(reader, self.gives[output], useful) for reader in readers):
                    useful.add(output)
        return set(useful)

    def _leads_on(self, reader: onnx.NodeProto, name: str, useful: Collection[str]) -> bool:
        output = reader.output[0]
        return reader.input[0] == name if output in self.starts else output in useful

    def _in_order(self, names: Collection[str]) -> list[str]:
        return [name for node in self.links.nodes for name in node.output if name in names]
