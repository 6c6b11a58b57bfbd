"""A choice of what a precision of 16-bit floats leaves in float32.

A source is a tensor that 16 bits hold, with those that hold the same values: what only moves values, or keeps their
order, rounds nothing anew. It is exact where all nodes that give or take such a tensor are in float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import onnx

from roundoff.graph.costs import Costs, node_name
from roundoff.graph.queries import WEIGHTED
from roundoff.precision.base import Halving
from roundoff.precision.rewriting.chosen import names_left_wide
from roundoff.sensitivity.choosing import Off, Price, Unit
from roundoff.sensitivity.half_sources import HalfSource, half_sources
from roundoff.sensitivity.halves import Halves, halves_of
from roundoff.sensitivity.recipe import Recipe
from roundoff.sensitivity.sources import Parts
from roundoff.sensitivity.variants import rewired


def half_recipe(precision: Halving, model: onnx.ModelProto) -> Recipe:
    """The recipe of that precision of that graph; raises what lowering raises."""
    halves = halves_of(model, precision.half, names_left_wide(precision.keep_float32, model))
    names = _Names(halves, half_sources(halves))
    return Recipe(
        parts=Parts(halves.model, [each.source for each in names.sources]),
        units=list(names.units()),
        price=names.price(),
        off_with=names.off_with,
        narrow=names.multiplies,
        make=lambda wide: rewired(halves.model, halves.reads(halves.wide(wide))),
        grid=precision.half.dtype.name,
        bits=16,
        overflows=True,
    )


@dataclass(frozen=True)
class _Names:
    """What names leave in float32, and what that costs."""

    halves: Halves
    sources: Sequence[HalfSource]

    def units(self) -> Iterator[Unit]:
        """Activations with what holds their values, and the nodes that read constants."""
        names = [each.tensors for each in self.sources if each.source.kind == "activation"]
        names += [(name,) for each in self.sources if each.source.kind == "weight" for name in each.source.readers]
        for first, *others in dict.fromkeys(names):
            off = self.off_with([first, *others])
            if off:
                yield Unit(first, off, tuple(others))

    def off_with(self, names: Sequence[str]) -> Off:
        """The places of the sources that nothing reads rounded then."""
        rounded = self.halves.reads(self.halves.wide(names)).keys()
        return frozenset(place for place, each in enumerate(self.sources) if rounded.isdisjoint(each.places))

    def multiplies(self, off: Off) -> bool:
        """Whether a product with a constant is left in 16 bits."""
        left = [each for place, each in enumerate(self.sources) if place not in off]
        return any(not self._products.isdisjoint(each.source.readers) for each in left if each.source.kind == "weight")

    @cached_property
    def _products(self) -> frozenset[str]:
        return frozenset(node_name(each.node) for each in self.halves.narrow.values() if each.node.op_type in WEIGHTED)

    def price(self) -> Price:
        """Products of the nodes around what is exact, and its values; for a constant, those that its readers give."""
        costs = Costs.of(self.halves.model, 1)
        nodes = [self.halves.touching(one.tensors) for one in self.sources]
        given = [
            one.tensors if one.source.kind == "activation" else [name for node in readers for name in node.output]
            for one, readers in zip(self.sources, nodes, strict=True)
        ]
        values = [float(sum(prod(costs.shapes.get(name, ())) for name in names)) for names in given]
        return Price([frozenset(map(node_name, each)) for each in nodes], values, costs.macs)
