"""Budgets of a cell: latency, throughput, size, memory and energy, each judged by what bounds its figure."""

from __future__ import annotations

from dataclasses import dataclass

from roundoff.measurement.latency import PERCENTILES
from roundoff.measurement.statistics import samples_for_percentile
from roundoff.results.cell import Batch, CellMetrics, Energy
from roundoff.results.message import Message, message
from roundoff.results.values import Bounds, Outcome, bounds_of
from roundoff.results.verdict import Criterion, Requirements

# Energy is read once, over seconds, from a meter that is itself off by about 5 %, and on some GPUs sees a quarter of
# the time (Yang, Adamek and Armour, SC24): what lies within this share of its limit is not sure.
ENERGY_MARGIN = 0.1


@dataclass(frozen=True)
class Figure:
    """A figure and the ends that it lies between, None where nothing bounds it; `missing` says why there is none."""

    value: float | None
    ends: tuple[float, float] | None
    bounds: Bounds
    missing: Message


def budget_criteria(cell: CellMetrics, target: Requirements) -> list[Criterion]:
    """A criterion for each budget that the target sets, of one measured cell."""
    batch = cell.batches.get(target.batch_size)
    questions = (
        ("latency", _latency(batch, target), target.latency_ms),
        ("throughput", _throughput(batch, target), target.throughput_per_s),
        ("size", _exact(cell.size_mb, message("size_unknown")), target.size_mb),
        # What an engine allocates depends on the engine, not on the moment: a point, as the size is.
        ("memory", _exact(cell.memory_mb, message("memory_unknown")), target.memory_mb),
        ("energy", _energy(cell.energy), target.mj_per_image),
    )
    return [_criterion(name, figure, limit) for name, figure, limit in questions if limit is not None]


def _latency(batch: Batch | None, target: Requirements) -> Figure:
    percentile, missing = target.latency_percentile, _not_measured(batch, target)
    if batch is not None and batch.runs:
        needed = samples_for_percentile(PERCENTILES[percentile])
        missing = message("percentile_needs_runs", percentile=percentile, needed=needed, runs=batch.runs)
    name = f"end_to_end_{percentile}"
    return Figure(getattr(batch, f"{name}_ms", None), bounds_of(batch, name, "ms"), "interval", missing)


def _throughput(batch: Batch | None, target: Requirements) -> Figure:
    value = batch.throughput_per_s if batch else None
    return Figure(value, bounds_of(batch, "throughput", "per_s"), "interval", _not_measured(batch, target))


def _not_measured(batch: Batch | None, target: Requirements) -> Message:
    known = batch.reason if batch else None
    return known or message("batch_not_measured", batch=target.batch_size)


def _exact(value: float | None, missing: Message) -> Figure:
    return Figure(value, None if value is None else (value, value), "exact", missing)


def _energy(energy: Energy | None) -> Figure:
    value = energy.mj_per_image if energy else None
    ends = None if value is None else (value * (1 - ENERGY_MARGIN), value * (1 + ENERGY_MARGIN))
    return Figure(value, ends, "margin", (energy.reason if energy else None) or message("unknown"))


def _criterion(name: str, figure: Figure, limit: float) -> Criterion:
    """`figure` against `limit`: a least for throughput, else a most."""
    verdict: Outcome = "undecided"
    if figure.value is None:
        return Criterion(name=name, verdict=verdict, limit=limit, reason=figure.missing)
    if figure.ends is None:
        return Criterion(name=name, verdict=verdict, limit=limit, value=figure.value)
    low, high = figure.ends
    verdict = _outcome(low, high, limit, least=name == "throughput")
    return Criterion(
        name=name, verdict=verdict, limit=limit, value=figure.value, low=low, high=high, bounds=figure.bounds
    )


def _outcome(low: float, high: float, limit: float, least: bool) -> Outcome:
    holds = low >= limit if least else high <= limit
    breaks = high < limit if least else low > limit
    return "pass" if holds else "fail" if breaks else "undecided"
