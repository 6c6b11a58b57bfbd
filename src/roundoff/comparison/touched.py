"""Which cells a setting changes: those whose engine or graph is another one where that setting alone differs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

from roundoff.comparison.comparable import of_graph
from roundoff.comparison.facets import Facet
from roundoff.comparison.run import Run

Effect = Literal["same engine", "same graph", "changed", "unknown"]
WORST: tuple[Effect, ...] = ("same engine", "same graph", "unknown", "changed")


@dataclass(frozen=True)
class Touch:
    """What a setting does to each cell, by `pairs` of runs that differ in it alone; without pairs nothing is known."""

    key: str
    pairs: int = 0
    cells: dict[str, Effect] = field(default_factory=dict)

    def with_effect(self, effect: Effect) -> list[str]:
        """The cells that it has this effect on."""
        return [name for name, found in self.cells.items() if found == effect]


def touches(runs: Sequence[Run], facets: Sequence[Facet]) -> list[Touch]:
    """Of each facet in which the runs differ."""
    return [_touch(facet, runs, facets) for facet in facets]


def same_engine(a: Run, b: Run, cell: str) -> bool:
    """Whether the cell ships the same bytes in both; False where that is not known."""
    return _effect(a, b, cell) == "same engine"


def _touch(facet: Facet, runs: Sequence[Run], facets: Sequence[Facet]) -> Touch:
    pairs = [pair for pair in _pairs(facet, facets, len(runs)) if _is_told(*(runs[number] for number in pair))]
    cells: dict[str, Effect] = {}
    for a, b in pairs:
        shared = [name for name in runs[a].metrics.cells if runs[a].cell(name) and runs[b].cell(name)]
        for name in shared:
            found = _effect(runs[a], runs[b], name)
            cells[name] = max(cells.get(name, found), found, key=WORST.index)
    return Touch(facet.key, len(pairs), cells)


def _pairs(facet: Facet, facets: Sequence[Facet], count: int) -> Iterator[tuple[int, int]]:
    """Runs that differ in the facet and in no other, as far as is recorded."""
    others = [one for one in facets if one is not facet]
    for a, b in combinations(range(count), 2):
        alike = all(one.values[a] == one.values[b] or None in (one.values[a], one.values[b]) for one in others)
        if facet.values[a] != facet.values[b] and None not in (facet.values[a], facet.values[b]) and alike:
            yield a, b


def _is_told(a: Run, b: Run) -> bool:
    """Whether the settings of both are recorded; without them, networks that differ are not the setting's doing."""
    return bool(a.settings and b.settings) or not of_graph(a, b)


def _effect(a: Run, b: Run, cell: str) -> Effect:
    ours, theirs = a.engine(cell), b.engine(cell)
    if ours and ours == theirs:
        return "same engine"
    if a.graph(cell) and a.graph(cell) == b.graph(cell):
        return "same graph"
    return "changed" if ours and theirs else "unknown"
