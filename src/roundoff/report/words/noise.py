"""Timings whose single runs vary, and those that were so until their time was up."""

from __future__ import annotations

from collections.abc import Iterator

from roundoff.measurement.latency import STEADY
from roundoff.report.words.decision import Decision
from roundoff.report.words.numbers import out_of, percent
from roundoff.results.cell import Batch
from roundoff.results.message import Words
from roundoff.revisions.read import Evidence

MOST_NAMED = 3


def noise_words(evidence: Evidence, words: Words) -> Iterator[str]:
    """How many batches are noisy, how much so what ships is, and which ratios stayed wide; nothing where none is."""
    noisy = [timing for timing in evidence.timings if is_noisy(timing)]
    if not noisy:
        return
    shown = {"noisy": out_of(len(noisy), len(evidence.timings), words), "steady": percent(STEADY, 1)}
    yield words("answer_noisy", **shown, shipped=_shipped(evidence, words))
    if cut := cut_short(evidence, words):
        yield words("answer_narrow", cells=words.listed(first_few(cut, words)), width=width_words(evidence, words))


def _shipped(evidence: Evidence, words: Words) -> str:
    """How much single runs of what ships vary, by batch size."""
    decision = Decision(evidence.verdict)
    timed = ((evidence.cell(decision.shipped_at(size)), size) for size in evidence.batch_sizes)
    noisy = [(size, cell.batches[size]) for cell, size in timed if cell and is_noisy(cell.batches[size])]
    spreads = [words("spread_at", cv=percent(timing.cv, 0), batch=size) for size, timing in noisy]
    return words("answer_noisy_shipped", spreads=words.listed(spreads)) if spreads else ""


def first_few(names: list[str], words: Words) -> list[str]:
    """The first names, and how many more there are."""
    if len(names) <= MOST_NAMED:
        return names
    return [*names[:MOST_NAMED], words("and_more", count=len(names) - MOST_NAMED)]


def width_words(evidence: Evidence, words: Words) -> str:
    """How narrow the interval of a speed-up was to be."""
    target = evidence.metrics.method.interval_target
    return words("width_within", share=f"{100 * target:g}\u00a0%") if target else words("width_unknown")


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
