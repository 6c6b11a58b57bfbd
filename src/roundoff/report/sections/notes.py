"""What has to be known before any number is used: machines, chance level, types, throttling, warnings, gaps."""

from __future__ import annotations

import re
from collections.abc import Iterator

from roundoff.measurement.accuracy import beats_chance, least_accuracy
from roundoff.report.sections.failures import failure_notes
from roundoff.report.sections.ranges import range_notes
from roundoff.report.words.compute_types import computes, kinds_words
from roundoff.report.words.conditions import throttled_words
from roundoff.report.words.numbers import percent, percent_with_interval, scientific
from roundoff.results.message import Words
from roundoff.revisions.read import Cell, Evidence


def notes(evidence: Evidence, words: Words) -> Iterator[str]:
    """A sentence or two for each thing; the gravest first."""
    if len(evidence.platform_ids) > 1:
        yield words("note_platforms", ids=", ".join(evidence.platform_ids))
    yield from failure_notes(evidence, words)
    for cell in evidence.measured:
        yield from _chance(cell, evidence, words)
        if count := cell.accuracy.get("nonfinite"):
            samples = f"{cell.accuracy['samples']:,}"
            yield words("note_nonfinite", cell=cell.key, count=f"{count:,}", samples=samples)
    yield from range_notes(evidence, words)
    yield from throttled_words(evidence, words)
    for cell in evidence.measured:
        yield from _kinds(cell, words)
    yield from _without_graph(evidence, words)
    yield from _warned(evidence, words)
    yield from _no_fp32(evidence, words)


def _chance(cell: Cell, evidence: Evidence, words: Words) -> Iterator[str]:
    """By the verdict's own criterion. Only a reference that is at chance itself says that the model is to blame."""
    least = least_accuracy(evidence.chance, evidence.chance_margin)
    high = cell.accuracy.get("top1_high")
    if high is None or float(high) > least:
        return
    top1 = percent_with_interval(cell.accuracy, "top1")
    values = {"cell": cell.key, "found": top1, "least": percent(least), "chance": percent(evidence.chance)}
    reference = evidence.cell(evidence.reference)
    if reference is None or not reference.accuracy:
        yield words("note_chance_alone", **values)
    elif _beats_chance(reference, evidence):
        top1 = percent_with_interval(reference.accuracy, "top1")
        yield words("note_chance_lost", **values, reference=reference.key, top1=top1)
    else:
        yield words("note_chance", **values)


def _beats_chance(cell: Cell, evidence: Evidence) -> bool:
    """True also for a cell whose accuracy is not known."""
    low = cell.accuracy.get("top1_low")
    return low is None or beats_chance(float(low), evidence.chance, evidence.chance_margin)


def _kinds(cell: Cell, words: Words) -> Iterator[str]:
    """What the cell computes in where that is not what its name says, and what its build says of that."""
    if cell.label != cell.precision:
        error = scientific((cell.facts.get("numerics") or {}).get("relative_error"))
        yield words("note_relabelled", cell=cell.key, precision=cell.precision, label=cell.label, error=error)
    sentences = list(_layers(cell, words))
    note = str(cell.facts.get("note") or "")
    if note and not (sentences and _repeats_counts(note, cell)):
        key = "note_build" if sentences else "note_cell"
        sentences.append(words(key, cell=cell.key, text=words.said(note)))
    if sentences:
        yield words("sentence_separator").join(sentences)


def _layers(cell: Cell, words: Words) -> Iterator[str]:
    found = computes(cell)
    if found.others:
        key = "note_rest" if found.share_named else "note_multiplies"
        values = {"named": found.named, "total": found.total, "count": found.total - sum(found.others.values())}
        yield words(key, cell=cell.key, kinds=kinds_words(found.others, words), **values)


def _repeats_counts(note: str, cell: Cell) -> bool:
    """Whether the note only counts layers by type, as the report has just done itself."""
    return all(re.search(rf"\b{count} in {kind}\b", note) for kind, count in computes(cell).others.items())


def _without_graph(evidence: Evidence, words: Words) -> Iterator[str]:
    """Batches whose backend could have captured a CUDA graph and did not, by reason."""
    groups: dict[str, list[str]] = {}
    for cell, batch, timing in evidence.timed_batches:
        reason = (timing.get("facts") or {}).get("no_cuda_graph_reason")
        if reason:
            groups.setdefault(str(reason), []).append(words("cell_batch", cell=cell.key, batch=batch))
    for reason, names in groups.items():
        yield words("note_no_graph", cells=words("list_separator").join(names), reason=words.said(reason))


def _warned(evidence: Evidence, words: Words) -> Iterator[str]:
    timings = evidence.timings
    warned = sum(1 for timing in timings if timing.get("warnings"))
    if warned:
        yield words("note_warned", warned=warned, count=len(timings))


def _no_fp32(evidence: Evidence, words: Words) -> Iterator[str]:
    for backend in dict.fromkeys(cell.backend for cell in evidence.measured):
        wide = evidence.cell(f"fp32/{backend}")
        if wide is None or not wide.measured:
            yield words("note_fp32_missing", backend=backend)
        elif failed := wide.failed_batches:
            sizes = words("list_separator").join(map(str, failed))
            yield words("note_fp32_failed", backend=backend, batches=sizes)
