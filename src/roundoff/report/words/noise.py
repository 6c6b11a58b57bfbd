"""Timings that were noisy until their time was up."""

from __future__ import annotations

from roundoff.results.cell import Batch
from roundoff.results.message import Words
from roundoff.revisions.read import Evidence


def cut_short(evidence: Evidence, words: Words) -> list[str]:
    """Batches that were noisy until the time budget ended: on a busy machine intervals cover less than they claim."""
    return [
        words("cell_batch", cell=cell.key, batch=batch)
        for cell, batch, timing in evidence.timed_batches
        if timing.stop_reason == "budget" and is_noisy(timing)
    ]


def is_noisy(timing: Batch) -> bool:
    """Whether the timing warns that its single runs vary."""
    return any(warning.code == "noisy" for warning in timing.warnings)
