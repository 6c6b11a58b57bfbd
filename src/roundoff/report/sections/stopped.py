"""What stopped early, and what that saved."""

from __future__ import annotations

from collections.abc import Iterator

from roundoff.report.words.numbers import percent
from roundoff.results.message import Words
from roundoff.revisions.read import Evidence


def stopped_notes(evidence: Evidence, words: Words) -> Iterator[str]:
    """A sentence on the images that were not run, and one on the seconds that were not timed."""
    yield from _images(evidence, words)
    yield from _timings(evidence, words)


def _images(evidence: Evidence, words: Words) -> Iterator[str]:
    known = {cell.key: cell.accuracy for cell in evidence.measured if cell.accuracy}
    stopped = {name: accuracy for name, accuracy in known.items() if accuracy.stopped_early}
    if stopped:
        saved = sum(each.all_images - each.samples for each in stopped.values())
        whole = sum(each.all_images for each in known.values())
        yield words("note_stopped_images", cells=words.listed(stopped), saved=f"{saved:,}", whole=f"{whole:,}")


def _timings(evidence: Evidence, words: Words) -> Iterator[str]:
    timed = [timing for timing in evidence.timings if timing.measured_s is not None]
    early = [timing for timing in timed if timing.stop_reason == "early"]
    least, within = (evidence.metrics.method.evaluate.get(name) for name in ("min_seconds", "interval_target"))
    if early and least is not None and within is not None:
        saved = sum(max(0.0, float(least) - (timing.measured_s or 0.0)) for timing in early)
        counts = {"early": len(early), "count": len(timed), "saved": f"{saved:.1f}"}
        whole = saved + sum(timing.measured_s or 0.0 for timing in timed)
        yield words("note_stopped_timing", **counts, whole=f"{whole:.1f}", within=percent(float(within), 0))
