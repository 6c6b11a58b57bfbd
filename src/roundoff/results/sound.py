"""Whether the figures of a cell can be: shares of the counts they are of, and within their own intervals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from roundoff.results.cell import Accuracy, Batch, CellMetrics
from roundoff.results.values import bounds_of

INSIDE = ("top1", "device_p50", "end_to_end_p50", "throughput")
"""Figures that lie within their intervals by how these are computed."""
ROUNDED = 1e-9
"""What a figure may lie beyond the end of its interval, relative."""


def faults(cell: CellMetrics, complete: bool = True) -> Iterator[str]:
    """What cannot be about a cell's figures, each in words; those of before may lack some (not `complete`)."""
    if not cell.measured:
        if cell.reason is None and complete:
            yield f"no reason why the cell is {cell.status}"
        return
    if cell.accuracy is not None:
        yield from _of_accuracy(cell.accuracy)
    elif complete:
        yield "no accuracy of a measured cell"
    for size, batch in cell.batches.items():
        yield from (f"batch_{size}: {wrong}" for wrong in _of_batch(batch, complete))


def _of_accuracy(told: Accuracy) -> Iterator[str]:
    if told.correct > told.samples or told.correct + told.nonfinite > told.samples:
        yield f"{told.correct} right and {told.nonfinite} not finite of {told.samples} answers"
    if abs(told.top1 - told.correct / told.samples) > 0.5 / told.samples:
        yield f"top1 {told.top1}, where {told.correct} of {told.samples} are right"
    for name in ("regressed", "corrected"):
        if (getattr(told, name) or 0) > told.samples:
            yield f"{name} {getattr(told, name)} of {told.samples} answers"
    if (told.corrected or 0) > told.correct:
        yield f"{told.corrected} corrected of {told.correct} right answers"
    yield from _of_intervals(told, "")


def _of_batch(batch: Batch, complete: bool) -> Iterator[str]:
    if complete and batch.runs and not (batch.device_p50_ms or batch.end_to_end_p50_ms):
        yield f"no median of {batch.runs} runs"
    if complete and batch.status != "measured" and batch.reason is None:
        yield f"no reason why the batch size is {batch.status}"
    for unit in ("ms", "per_s", ""):
        yield from _of_intervals(batch, unit)


def _of_intervals(owner: object, unit: str) -> Iterator[str]:
    """Intervals that end before they begin, and figures outside of their own."""
    end = f"_{unit}" if unit else ""
    for each in fields(owner):  # type: ignore[arg-type] # one of the dataclasses
        if not each.name.endswith(f"_low{end}"):
            continue
        name = each.name.removesuffix(f"_low{end}")
        value, bounds = getattr(owner, f"{name}{end}", None), bounds_of(owner, name, unit)
        if bounds is None:
            ends = getattr(owner, each.name), getattr(owner, f"{name}_high{end}", None)
            yield from [] if ends == (None, None) else [f"an interval of {name}{end} with one end"]
            continue
        if name in INSIDE and value is None:
            yield f"an interval of {name}{end}, and no {name}{end}"
        low, high = bounds
        room = ROUNDED * max(abs(low), abs(high))
        if low > high + room:
            yield f"an interval of {name}{end} from {low} to {high}"
        elif name in INSIDE and value is not None and not low - room <= value <= high + room:
            yield f"{name}{end} {value}, outside of its interval from {low} to {high}"
