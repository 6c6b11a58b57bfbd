"""How many times as fast one cell is as another, whatever their backends."""

from __future__ import annotations

import numpy as np

from roundoff.measurement.anytime import median_sequence
from roundoff.measurement.samples import medians_by_load
from roundoff.measurement.statistics import FEWEST_FOR_MEDIAN_INTERVAL, Interval, median_interval
from roundoff.revisions.read import Cell, Evidence


def paired_ratio(evidence: Evidence, cell: Cell, other: Cell, batch: int) -> Interval | None:
    """How many times as fast end to end as `other` the cell is, as a speed-up is: rounds, loads, interval over loads.

    None where the raw timings do not tell, or too few loads are shared for a 95 % interval.
    """
    ours, theirs = evidence.samples(cell, batch), evidence.samples(other, batch)
    if not all("round_load" in samples and "round_end_to_end_ms" in samples for samples in (ours, theirs)):
        return None
    loads = np.intersect1d(ours["round_load"], theirs["round_load"])
    a, b = (samples["round_end_to_end_ms"][np.isin(samples["round_load"], loads)] for samples in (ours, theirs))
    if len(loads) < FEWEST_FOR_MEDIAN_INTERVAL or len(a) != len(b):
        return None
    of_round = ours["round_load"][np.isin(ours["round_load"], loads)]
    ratios = medians_by_load(b / a, of_round.astype(np.int64))
    looked_at = evidence.metrics.method.stop_early is not None  # after each load, whatever ended it
    return median_sequence(ratios) if looked_at else median_interval(ratios)


def share_a_device(evidence: Evidence, cell: Cell, other: Cell) -> bool:
    """Whether both were timed in the rounds of one device."""
    return any({cell.key, other.key} <= set(device.cells) for device in evidence.devices.values())


def ratio_of(evidence: Evidence, cell: Cell, other: Cell, batch: int) -> float | None:
    """The paired ratio; that of the medians end to end where there is none, and None where a time is missing."""
    paired = paired_ratio(evidence, cell, other, batch) if share_a_device(evidence, cell, other) else None
    if paired is not None:
        return paired.value
    ours, theirs = (_median(each, batch) for each in (cell, other))
    return theirs / ours if ours and theirs else None


def _median(cell: Cell, batch: int) -> float | None:
    timing = cell.batches.get(batch)
    return timing.end_to_end_p50_ms if timing else None
