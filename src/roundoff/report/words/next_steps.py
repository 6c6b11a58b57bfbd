"""What to do next, the same on the page and in the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from roundoff.report.words.decision import Decision
from roundoff.report.words.numbers import rounded_up
from roundoff.results.message import Words
from roundoff.results.shortfall import failures
from roundoff.revisions.read import Evidence


def next_steps(evidence: Evidence, words: Words) -> Iterator[str]:
    """Try again what failed, bring the images that would decide, guard what ships."""
    again = (each.rerun for each in failures({cell.key: cell.metrics for cell in evidence.cells}).values())
    yield from dict.fromkeys(command for command in again if command)
    cells = evidence.verdict.cells.values() if evidence.verdict else ()
    needed = [cell.samples_needed for cell in cells if cell.samples_needed]
    if needed:
        samples = max((cell.accuracy.samples for cell in evidence.measured if cell.accuracy), default=0)
        yield words("tell_images", count=rounded_up(max(needed)), samples=f"{samples:,}")
    if shipped := Decision(evidence.verdict).shipped_name:
        command = "roundoff check" + (f" --require {shipped}" if shipped != evidence.reference else "")
        yield words("tell_gate", command=command)
