"""What to do next, the same on the page and in the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from roundoff.report.words.compute_types import is_8_bit
from roundoff.report.words.decision import Decision
from roundoff.report.words.numbers import rounded_up
from roundoff.results.message import Words
from roundoff.results.shortfall import failures
from roundoff.revisions.read import Cell, Evidence


def next_steps(evidence: Evidence, words: Words) -> Iterator[str]:
    """Try again what failed, bring the images that would decide, ask why 8 bits are slow, guard what ships."""
    again = (each.rerun for each in failures({cell.key: cell.metrics for cell in evidence.cells}).values())
    yield from dict.fromkeys(command for command in again if command)
    cells = evidence.verdict.cells.values() if evidence.verdict else ()
    needed = [cell.samples_needed for cell in cells if cell.samples_needed]
    if needed:
        samples = max((cell.accuracy.samples for cell in evidence.measured if cell.accuracy), default=0)
        yield words("tell_images", count=rounded_up(max(needed)), samples=f"{samples:,}")
    if slow := [cell.key for cell in evidence.measured if _is_slow(cell, evidence)]:
        yield words("tell_profile", cells=words.listed(slow))
    if shipped := Decision(evidence.verdict).shipped_name:
        command = "roundoff check" + (f" --require {shipped}" if shipped != evidence.reference else "")
        yield words("tell_gate", command=command)


def _is_slow(cell: Cell, evidence: Evidence) -> bool:
    """Whether it is in 8 bits, clearly not faster than its backend's FP32, and nothing says why yet."""
    batch = cell.batches.get(evidence.main_batch or 0)
    known = cell.key in evidence.profile.cells
    return is_8_bit(cell) and not known and batch is not None and (batch.speedup_high or 2.0) <= 1.0
