"""What to leave wide: the cheapest names first, by how much of the error's variance each takes away.

Effects on the logits add as variances, so that choosing names under a bound of the error is a knapsack. It is filled by
the ratio of gain to cost, which is at most the last item off the best filling (Dantzig, Oper. Res. 5, 1957). A name
stands for what the precision's own rules leave wide with it, so that what was counted is what is built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx

from roundoff.errors import BuildError
from roundoff.graph.costs import Costs
from roundoff.precision.base import Grid, Quantizing
from roundoff.sensitivity.sources import Source

Off = frozenset[int]
"""Places of the sources that are off."""


@dataclass(frozen=True)
class Unit:
    """A name that can be left wide, and the places of the sources that are then off."""

    name: str
    off: Off


@dataclass(frozen=True)
class Filling:
    """Names that are left wide, the sources that are off, their cost, and the variance that is left."""

    names: tuple[str, ...]
    off: Off
    cost: float
    variance: float


def units_of(precision: Quantizing, floats: onnx.ModelProto, grid: Grid, sources: Sequence[Source]) -> list[Unit]:
    """The nodes that read sources, and the tensors that are sources, as far as the precision can leave them out."""
    names = dict.fromkeys([*(name for each in sources for name in each.readers), *(each.name for each in sources)])
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


def costs_of(floats: onnx.ModelProto, sources: Sequence[Source], batch: int = 1) -> list[float]:
    """Of each source that is off: a weight's are its nodes' multiply-adds, an activation's one for each value."""
    costs = Costs.of(floats, batch)
    return [_cost(source, costs) for source in sources]


def _cost(source: Source, costs: Costs) -> float:
    if source.kind == "weight":
        return float(costs.macs_of(source.readers) or 1)
    return float(max(np.prod(costs.shapes.get(source.name, (1,)), dtype=float), 1.0))


def fillings(
    units: Sequence[Unit], variances: Sequence[float], costs: Sequence[float], off_with: Callable[[Sequence[str]], Off]
) -> Iterator[Filling]:
    """From nothing left wide, one name more at a time, the best ratio of gain to cost first; until nothing is gained.

    `off_with` tells which sources are off where several names are left wide together.
    """
    names: tuple[str, ...] = ()
    off: Off = frozenset()
    total = float(sum(variances))
    left = list(units)
    while True:
        yield Filling(names, off, _sum(costs, off), max(total - _sum(variances, off), 0.0))
        left = [unit for unit in left if _sum(variances, unit.off - off) > 0]
        if not left:
            return
        best = max(left, key=lambda unit: _ratio(unit.off - off, variances, costs))
        names = (*names, best.name)
        off = off | best.off | off_with(names)


def _ratio(off: Off, variances: Sequence[float], costs: Sequence[float]) -> float:
    return _sum(variances, off) / _sum(costs, off)


def _sum(values: Sequence[float], places: Off) -> float:
    return float(sum(values[place] for place in sorted(places)))
