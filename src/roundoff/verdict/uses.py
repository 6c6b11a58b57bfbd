"""The uses that one figure decides: highest throughput, smallest artifact, least energy.

Rule. Of the cells that pass, the one with the best figure is taken; those that cannot be told from it are named. An
undecided cell that is clearly better than it is named, too, and where nothing passes every undecided one.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from roundoff.results.cell import CellMetrics
from roundoff.results.run import Metrics
from roundoff.results.values import Use, bounds_of
from roundoff.results.verdict import Recommendation, Requirements
from roundoff.verdict.budgets import ENERGY_MARGIN
from roundoff.verdict.ranking import SAME_SIZE, noise_floor


@dataclass(frozen=True)
class Cost:
    """What a cell costs, less is better: `value` with the ends beyond which costs are told apart; at a batch size."""

    name: str
    value: float
    low: float
    high: float
    batch_size: int | None = None

    def clearly_beats(self, other: Cost) -> bool:
        """Whether it costs less, beyond what cannot be told apart."""
        return self.high < other.low


def single_uses(
    metrics: Metrics, target: Requirements, passing: Collection[str], undecided: Mapping[str, int | None]
) -> dict[Use, Recommendation]:
    """A recommendation for each of these uses, by the cells that pass and those that are undecided."""
    cells = {name: cell for name, cell in metrics.cells.items() if cell.measured}
    costs: dict[Use, list[Cost | None]] = {
        "throughput": [_per_image(name, cell, metrics, target.speed_margin) for name, cell in cells.items()],
        "smallest": [_size(name, cell) for name, cell in cells.items()],
        "energy": [_energy(name, cell) for name, cell in cells.items()],
    }
    known = {use: [cost for cost in each if cost is not None] for use, each in costs.items()}
    return {use: _cheapest(each, passing, undecided) for use, each in known.items()}


def _cheapest(every: Sequence[Cost], passing: Collection[str], undecided: Mapping[str, int | None]) -> Recommendation:
    waiting = [cost for cost in every if cost.name in undecided]
    chosen = min((cost for cost in every if cost.name in passing), key=lambda cost: cost.value, default=None)
    if chosen is None:
        return Recommendation(cell=None, undecided={cost.name: undecided[cost.name] for cost in waiting})
    others = [cost for cost in every if cost.name in passing and cost is not chosen]
    return Recommendation(
        cell=chosen.name,
        tied=[cost.name for cost in others if not chosen.clearly_beats(cost)],
        undecided={cost.name: undecided[cost.name] for cost in waiting if cost.clearly_beats(chosen)},
        batch_size=chosen.batch_size,
    )


def _per_image(name: str, cell: CellMetrics, metrics: Metrics, margin: float) -> Cost | None:
    """Seconds per image at the batch size where they are least, apart by the device's noise as latencies are."""
    found = []
    for size, batch in cell.batches.items():
        ends = bounds_of(batch, "throughput", "per_s")
        if batch.throughput_per_s and ends and min(ends) > 0:
            noise = math.sqrt(1 + noise_floor(metrics.method, size, margin, name))
            found.append(Cost(name, 1 / batch.throughput_per_s, 1 / ends[1] / noise, noise / ends[0], size))
    return min(found, key=lambda cost: cost.value, default=None)


def _size(name: str, cell: CellMetrics) -> Cost | None:
    if cell.size_mb is None:
        return None
    apart = math.sqrt(1 + SAME_SIZE)
    return Cost(name, cell.size_mb, cell.size_mb / apart, cell.size_mb * apart)


def _energy(name: str, cell: CellMetrics) -> Cost | None:
    energy = cell.energy
    if energy is None or energy.mj_per_image is None:
        return None
    used = energy.mj_per_image
    return Cost(name, used, used * (1 - ENERGY_MARGIN), used * (1 + ENERGY_MARGIN), energy.batch_size)
