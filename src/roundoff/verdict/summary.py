"""The summary of a run: what to ship, and of each precision its best cell, rounded so that a rerun moves little."""

from __future__ import annotations

import math
from collections.abc import Mapping

from roundoff.results.cell import Batch
from roundoff.results.run import Metrics
from roundoff.results.summary import Answer, BestCell, Summary
from roundoff.results.values import Outcome, bounds_of
from roundoff.results.verdict import Requirements, Verdict
from roundoff.system.slots import STAGED
from roundoff.verdict.ranking import SESSION_DRIFT, noise_floor, ranked
from roundoff.verdict.recommending import chosen_of

# What speed-ups of two sessions may differ by, and times of two sessions on a GPU: docs/metrics.md has what they did.
STEADY_DRIFT = 0.04
STEPS = (1, 2, 5, 10)
DIGITS_OF_SIZE = 3
BEST_FIRST: tuple[Outcome | None, ...] = ("pass", "undecided", "fail", None)


def summary_of(metrics: Metrics, verdict: Verdict) -> Summary:
    """What summary.json says of a run and the verdict on it."""
    target = verdict.target or Requirements()
    batch_size, speed_margin = target.batch_size, target.speed_margin
    precisions = dict.fromkeys([*STAGED, *(name.split("/")[0] for name in metrics.cells)])
    noise = {name: noise_floor(metrics.method, batch_size, speed_margin, name) for name in metrics.cells}
    best = {name: _best_of(name, metrics, verdict, batch_size, noise) for name in precisions}
    judged = {name: verdict.cells.get(cell) if cell else None for name, cell in best.items()}
    return Summary(
        answer=Answer(
            ship=verdict.shipped.cell if verdict.shipped else None,
            verdict={name: one.verdict if one else None for name, one in judged.items()},
        ),
        precisions={name: _figures(cell, metrics, batch_size) for name, cell in best.items()},
    )


def _best_of(
    precision: str, metrics: Metrics, verdict: Verdict, batch_size: int, noise: Mapping[str, float]
) -> str | None:
    """The precision's cell that is shipped; else of its cells with the best verdict the one to take, if any."""
    names = [name for name in metrics.cells if name.split("/")[0] == precision]
    if verdict.shipped and verdict.shipped.cell in names:
        return verdict.shipped.cell
    outcomes = {name: verdict.cells[name].verdict if name in verdict.cells else None for name in names}
    tried = [name for name in names if metrics.cells[name].status != "unavailable"]
    best = next((outcome for outcome in BEST_FIRST if any(outcomes[name] == outcome for name in tried)), None)
    equals = [name for name in tried if outcomes[name] == best]
    chosen, _ = chosen_of([cell for cell in ranked(metrics, batch_size, noise) if cell.name in equals])
    return chosen.name if chosen else next(iter(equals), None)


def _figures(name: str | None, metrics: Metrics, batch_size: int) -> BestCell:
    if name is None:
        return BestCell()
    cell = metrics.cells[name]
    batch = cell.batches.get(batch_size)
    return BestCell(
        top1=cell.accuracy.top1 if cell.accuracy else None,
        ms=rounded_figure(batch, "end_to_end_p50", "ms", STEADY_DRIFT if _ran_on_gpu(name, metrics) else SESSION_DRIFT),
        x=rounded_figure(batch, "end_to_end_speedup", "", STEADY_DRIFT),
        mb=None if cell.size_mb is None else float(f"{cell.size_mb:.{DIGITS_OF_SIZE}g}"),
        backend=name.split("/")[1] if cell.measured else None,
    )


def _ran_on_gpu(name: str, metrics: Metrics) -> bool:
    return any(name in device.cells for key, device in metrics.method.devices.items() if key != "cpu")


def rounded_figure(batch: Batch | None, name: str, unit: str, drift: float) -> float | None:
    """A figure rounded to what it may differ by between two sessions: `drift`, or half its interval if that is more."""
    value = getattr(batch, f"{name}_{unit}" if unit else name, None)
    if value is None:
        return None
    low, high = bounds_of(batch, name, unit) or (value, value)
    return rounded(value, max(drift * value, (high - low) / 2))


def rounded(value: float, width: float) -> float:
    """The nearest multiple of the smallest step of 1, 2 or 5 times a power of ten that is at least `width`.

    A width beyond half of the value counts as that half, so that nothing above 0 becomes 0.
    """
    width = min(width, value / 2)
    power = math.floor(math.log10(width))
    step = next(step * 10.0**power for step in STEPS if step * 10.0**power >= width * (1 - 1e-9))
    return round(round(value / step) * step, max(0, -power))
