"""The sources of a 16-bit graph's error: tensors that it rounds, each with those that hold the same values.

What only moves values, or keeps their order, gives rounded values for rounded ones, and is no source of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from roundoff.graph.costs import node_name
from roundoff.graph.links import MOVING
from roundoff.graph.queries import WEIGHTED
from roundoff.results.sensitivity import Kind
from roundoff.sensitivity.halves import Halves, Narrow
from roundoff.sensitivity.sources import Place, Source

JOINING = ("Concat", "Max", "Min", "Where")
"""They give values of several tensors."""
KEEPING = (*MOVING, *JOINING, "Relu", "Clip", "Identity", "Neg", "Abs", "Split", "Gather", "GlobalMaxPool", "ReduceMax")
"""Operators that give a rounded value for rounded ones."""


@dataclass(frozen=True)
class HalfSource:
    """A source; the tensors that hold its values, itself first; all inputs that read any of them.

    Of what several tensors are joined to, the source alone rounds but a part: there it is not measured.
    """

    source: Source
    tensors: tuple[str, ...]
    places: frozenset[Place]


def half_sources(halves: Halves) -> list[HalfSource]:
    """Activations in the graph's order, then constants."""
    fixed = {tensor.name for tensor in halves.model.graph.initializer}
    return [*_activations(halves, fixed), *_constants(halves, fixed)]


def _activations(halves: Halves, fixed: set[str]) -> Iterator[HalfSource]:
    keeping = [each for each in halves.narrow.values() if each.node.op_type in KEEPING and each.takes]
    held = {name for each in keeping for name in each.gives}
    behind: dict[str, list[Narrow]] = {}
    for each in keeping:
        for slot in each.takes:
            behind.setdefault(each.node.input[slot], []).append(each)
    for root in (name for name in halves.readers if name not in held | fixed):
        family = _family(root, behind)
        every = [place for name in family for place in halves.readers.get(name, ())]
        alone = [place for name, whole in family.items() if whole for place in halves.readers.get(name, ())]
        yield HalfSource(_source(halves, root, "activation", alone), tuple(family), frozenset(every))


def _family(root: str, behind: Mapping[str, Sequence[Narrow]]) -> dict[str, bool]:
    """The tensors that hold the root's values, and whether they hold no others."""
    family, left = {root: True}, [root]
    while left:
        taken = left.pop()
        for each in behind.get(taken, ()):
            for name in each.gives - family.keys():
                family[name] = family[taken] and each.node.op_type not in JOINING
                left.append(name)
    return family


def _constants(halves: Halves, fixed: set[str]) -> Iterator[HalfSource]:
    """The constants of each node together; of nodes that share the first of them, too."""
    places: dict[str, list[Place]] = {}
    for place, each in halves.narrow.items():
        slots = sorted(slot for slot in each.takes if each.node.input[slot] in fixed)
        if slots:
            named = 1 if each.node.op_type in WEIGHTED and 1 in slots else slots[0]
            places.setdefault(each.node.input[named], []).extend((place, slot) for slot in slots)
    for name, read in places.items():
        yield HalfSource(_source(halves, name, "weight", read), (name,), frozenset(read))


def _source(halves: Halves, name: str, kind: Kind, places: Sequence[Place]) -> Source:
    rounded, nodes = halves.reads(), halves.model.graph.node
    reads = {place: rounded[place] for place in sorted(places) if place in rounded}
    readers = dict.fromkeys(node_name(nodes[node]) for node, _ in reads if node < len(nodes) - 1)
    return Source(name, kind, reads, tuple(readers))
