"""What to leave wide: the cheapest names first, by how much of the error's variance each takes away.

Effects on the logits add as variances, so that choosing names under a bound of the error is a knapsack. It is filled by
the ratio of gain to cost, which is at most the last item off the best filling (Dantzig, Oper. Res. 5, 1957). A name
stands for what the precision's own rules leave wide with it, so that what was counted is what is built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import onnx

from roundoff.errors import BuildError
from roundoff.graph.costs import Costs, node_name
from roundoff.graph.links import Links
from roundoff.graph.queries import WEIGHTED
from roundoff.precision.base import Grid, Quantizing
from roundoff.sensitivity.sources import Source

WIDE_VALUE = 50.0
"""Multiply-adds that 8 bits gain in the time in which one value is put into 8 bits and back.

Convolutions of 16 to 64 channels on ONNX Runtime (AVX-512 VNNI, one thread) gain 0.009 to 0.010 ns each; a pair of
QuantizeLinear and DequantizeLinear takes 0.43 to 0.55 ns a value, where it lies in the cache.
"""

Off = frozenset[int]
"""Places of the sources that are off."""


@dataclass(frozen=True)
class Unit:
    """A name that can be left wide, with `others` that go with it, and the places of the sources that are then off."""

    name: str
    off: Off
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Filling:
    """Names that are left wide, the sources that are off, their cost, and the variance that is left.

    `added` is the unit by which it has more than the one before.
    """

    names: tuple[str, ...]
    off: Off
    cost: float
    variance: float
    added: str | None = None


def units_of(precision: Quantizing, floats: onnx.ModelProto, grid: Grid, sources: Sequence[Source]) -> list[Unit]:
    """The nodes that read sources, and the activations that are some, as far as the precision can leave them out."""
    tensors = (source.name for source in sources if source.kind == "activation")
    names = dict.fromkeys([*(name for source in sources for name in source.readers), *tensors])
    found = [Unit(name, off_without(precision, floats, grid, sources, [name])) for name in names]
    return [unit for unit in found if unit.off]


def off_without(
    precision: Quantizing, floats: onnx.ModelProto, grid: Grid, sources: Sequence[Source], names: Sequence[str]
) -> Off:
    """The places of the sources that are off where the names are left wide; none for a name that names nothing."""
    try:
        still = leaving(precision, names).quantized_tensors(floats, grid)
    except BuildError:
        return frozenset()
    return frozenset(place for place, source in enumerate(sources) if still.isdisjoint(source.tensors))


def leaving(precision: Quantizing, names: Sequence[str]) -> Quantizing:
    """The precision with these names left wide, too."""
    held: Any = precision
    made: Quantizing = replace(held, exclude_nodes=[*held.exclude_nodes, *names])
    return made


@dataclass(frozen=True)
class Price:
    """What it costs that sources are off: multiply-adds that are not narrow then, and `value` for each wide value.

    `products` are the nodes that need the source to multiply in few bits, `values` how many an activation has per
    image: each is converted where wide and narrow nodes meet.
    """

    products: Sequence[frozenset[str]]
    values: Sequence[float]
    macs: Mapping[str, float]
    value: float = WIDE_VALUE

    def of(self, off: Off) -> float:
        """Of these sources together, per image."""
        return self.multiply_adds(off) + self.value * sum(self.values[place] for place in sorted(off))

    def multiply_adds(self, off: Off) -> float:
        """Those of the nodes that do not multiply in 8 bits."""
        wide = frozenset[str]().union(*(self.products[place] for place in off))
        return float(sum(self.macs.get(name, 0) for name in sorted(wide)))


def price_of(floats: onnx.ModelProto, grid: Grid, sources: Sequence[Source]) -> Price:
    """By the graph's shapes. Kernels that cannot fuse an Add need what a Conv or Gemm gives in 8 bits, too."""
    costs, links = Costs.of(floats, 1), Links.of(floats)
    givers = {} if grid.fuses_add else {links.settled(node.output[0]): node for node in links.nodes if _gives(node)}
    products = [
        frozenset(source.readers if source.kind == "weight" else _names(givers.get(name) for name in source.tensors))
        for source in sources
    ]
    values = [
        float(prod(costs.shapes.get(source.name, ()))) if source.kind == "activation" else 0.0 for source in sources
    ]
    return Price(products, values, costs.macs)


def _gives(node: onnx.NodeProto) -> bool:
    """Whether its kernel is told by its output; a MatMul's hands on floats."""
    return node.op_type in WEIGHTED and node.op_type != "MatMul"


def _names(nodes: Iterable[onnx.NodeProto | None]) -> list[str]:
    return [node_name(node) for node in nodes if node is not None]


def fillings(
    units: Sequence[Unit], variances: Sequence[float], price: Price, off_with: Callable[[Sequence[str]], Off]
) -> Iterator[Filling]:
    """From nothing left wide, one name more at a time, the best ratio of gain to cost first; until nothing is gained.

    `off_with` tells which sources are off where several names are left wide together.
    """
    names: tuple[str, ...] = ()
    off: Off = frozenset()
    total = float(sum(variances))
    left, added = list(units), None
    while True:
        yield Filling(names, off, price.of(off), max(total - _sum(variances, off), 0.0), added)
        left = [unit for unit in left if _sum(variances, unit.off - off) > 0]
        if not left:
            return
        best = max(left, key=lambda unit: _ratio(unit.off, off, variances, price))
        names, added = (*names, best.name, *best.others), best.name
        off = off | best.off | off_with(names)


def _ratio(more: Off, off: Off, variances: Sequence[float], price: Price) -> float:
    return _sum(variances, more - off) / max(price.of(off | more) - price.of(off), 1.0)


def _sum(values: Sequence[float], places: Off) -> float:
    return float(sum(values[place] for place in sorted(places)))
