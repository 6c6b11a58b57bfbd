"""The verdict: does each cell keep the accuracy asked for within the budgets, and which one is for what use?"""

from __future__ import annotations

from collections.abc import Sequence

from roundoff.results.run import Metrics
from roundoff.results.slices import SliceLoss
from roundoff.results.values import Outcome
from roundoff.results.verdict import CellVerdict, SpeedVerdict, Verdict
from roundoff.verdict.accuracy import accuracy_criteria
from roundoff.verdict.budgets import budget_criteria
from roundoff.verdict.ranking import Ranked, front, noise_floor, ranked, speed_difference
from roundoff.verdict.recommending import recommendations, shipped_at
from roundoff.verdict.requirements import Target
from roundoff.verdict.slices import slice_criteria, slice_warnings


def decide(metrics: Metrics, target: Target, slices: Sequence[SliceLoss] = ()) -> Verdict:
    """A verdict for each cell with its criteria, the front, and a recommendation for each use and each batch size."""
    verdicts = {name: judge(name, metrics, target, slices) for name in metrics.cells}
    every = _ranked_at(target.batch_size, metrics, target)
    sizes = sorted({size for cell in metrics.cells.values() for size in cell.timed_batches})
    return Verdict(
        platform=metrics.platform.id,
        reference=metrics.reference,
        target=target.requirements(),
        cells=verdicts,
        front=front(every),
        recommendations=recommendations(every, metrics, verdicts, target),
        batches={size: shipped_at(_ranked_at(size, metrics, target), metrics, verdicts, size) for size in sizes},
    )


def _ranked_at(batch_size: int, metrics: Metrics, target: Target) -> list[Ranked]:
    noise = {name: noise_floor(metrics.method, batch_size, target.speed_margin, name) for name in metrics.cells}
    return ranked(metrics, batch_size, noise)


def judge(name: str, metrics: Metrics, target: Target, slices: Sequence[SliceLoss] = ()) -> CellVerdict:
    """The verdict on one cell; the metrics say why one was not measured.

    It is `fail` for a cell that failed, since what does not work cannot be shipped, and None for one that cannot run
    here.
    """
    cell = metrics.cells[name]
    if not cell.measured:
        return CellVerdict(verdict="fail" if cell.status == "failed" else None)
    own_slices = [loss for loss in slices if loss.cell == name]
    criteria = [
        *accuracy_criteria(name, metrics, target),
        *slice_criteria(own_slices, target),
        *budget_criteria(cell, target),
    ]
    outcomes = [criterion.verdict for criterion in criteria]
    worst: tuple[Outcome, ...] = ("fail", "undecided")
    verdict: Outcome = next((outcome for outcome in worst if outcome in outcomes), "pass")
    return CellVerdict(
        verdict=verdict,
        criteria=criteria,
        warnings=slice_warnings(own_slices) if verdict == "pass" else [],
        batches=_speeds(name, metrics, target.speed_margin),
    )


def _speeds(name: str, metrics: Metrics, margin: float) -> dict[int, SpeedVerdict]:
    """By batch size: faster or slower than its backend's FP32, device only, by more than the device's noise."""
    floors = {size: noise_floor(metrics.method, size, margin, name) for size in metrics.cells[name].batches}
    return {
        size: SpeedVerdict(
            speed=speed_difference(batch.speedup_low, batch.speedup_high, floors[size]), noise_floor=floors[size]
        )
        for size, batch in metrics.cells[name].batches.items()
    }
