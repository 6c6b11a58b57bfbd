"""The answer at the top; the words follow the data."""

from __future__ import annotations

from collections.abc import Iterator

from roundoff.report.render.document import Bullets, Heading, Page, Paragraph
from roundoff.report.sections.failures import failed_names
from roundoff.report.sections.machine import machine_name
from roundoff.report.sections.notes import notes
from roundoff.report.sections.tables import absent_groups
from roundoff.report.sections.verdicts import is_noisy
from roundoff.report.words.decision import Decision
from roundoff.report.words.naming import cell_name, waiting_words
from roundoff.report.words.numbers import amount_with_interval, percent_with_interval, times_with_interval
from roundoff.results.message import Words
from roundoff.results.values import bounds_of
from roundoff.results.verdict import Recommendation
from roundoff.revisions.read import Cell, Evidence
from roundoff.system.slots import REFERENCE_PRECISION

SOURCES = {
    "image folder": "source_image_folder",
    "CIFAR-10 binary archive": "source_cifar10",
    "scikit-learn load_digits": "source_digits",
}
"""What datasets call themselves in the manifest, by the catalogue's key."""
HASH_SHOWN = 12  # characters of a hash


def answer_section(page: Page, evidence: Evidence, words: Words) -> None:
    """Which precision to ship here, how sure that is, and on which machine it holds."""
    machine, decision = machine_name(evidence.platform, words), Decision(evidence.verdict)
    choice = decision.shipped
    cell = evidence.cell(choice.cell) if choice else None
    page.add(Heading(2, words("answer_heading"), "answer"))
    if evidence.verdict is None:
        page.add(Paragraph(words("verdict_missing"), "lead"))
    elif choice is None or cell is None:
        page.add(Paragraph(words("answer_none", machine=machine), "lead"))
        for text in why_none(evidence, words):
            page.add(Paragraph(text))
    else:
        page.add(Paragraph(words("answer_ship", cell=cell_name(cell, words), machine=machine), "lead"))
        page.add(_paragraph(_support(cell, choice, evidence, words), words))
    if failed := failed_names(evidence, words):
        page.add(Paragraph(words("answer_failed", cells=words.listed(failed)), "warning"))
    page.add(_paragraph(_scope(evidence, words), words))
    if cut := cut_short(evidence, words):
        values = {"cut": len(cut), "count": len(evidence.timings), "cells": words.listed(cut)}
        page.add(Paragraph(words("answer_narrow", **values), "warning"))
    remarks = tuple(notes(evidence, words))
    if remarks:
        page.add(Heading(3, words("notes_heading"), "notes"), Bullets(remarks))


def why_none(evidence: Evidence, words: Words) -> Iterator[str]:
    """What passes but was not timed, and what is undecided."""
    decision = Decision(evidence.verdict)
    choices = list(decision.recommendations.values())
    if not_timed := next((choice.not_timed for choice in choices if choice.not_timed), None):
        yield words("answer_not_timed", cells=words.listed(not_timed), batch=decision.batch_size)
    undecided = next((choice for choice in choices if choice.undecided and not choice.cell), None)
    if undecided:
        yield waiting_words(undecided, evidence, words)


def cut_short(evidence: Evidence, words: Words) -> list[str]:
    """Batches that were noisy until the time budget ended: on a busy machine intervals cover less than they claim."""
    return [
        words("cell_batch", cell=cell.key, batch=batch)
        for cell, batch, timing in evidence.timed_batches
        if timing.stop_reason == "budget" and is_noisy(timing)
    ]


def _paragraph(sentences: Iterator[str], words: Words) -> Paragraph:
    return Paragraph(words("sentence_separator").join(sentences))


def _support(cell: Cell, choice: Recommendation, evidence: Evidence, words: Words) -> Iterator[str]:
    batch = evidence.main_batch
    timing = cell.batches.get(batch) if batch else None
    if timing is not None and timing.end_to_end_p50_ms is not None:
        compared = cell.precision != REFERENCE_PRECISION and timing.end_to_end_speedup is not None
        key = "answer_speed" if compared else "answer_speed_plain"
        speedup = times_with_interval(timing, "end_to_end_speedup")
        yield words(key, batch=batch, time=amount_with_interval(timing, "end_to_end_p50", "ms"), speedup=speedup)
    drop = drop_words(cell, evidence, words)
    top1 = percent_with_interval(cell.accuracy, "top1")
    yield words("answer_accuracy", top1=top1, samples=f"{cell.accuracy.samples if cell.accuracy else 0:,}", drop=drop)
    yield from rivals(choice, evidence, words)


def rivals(choice: Recommendation, evidence: Evidence, words: Words) -> Iterator[str]:
    """Cells that a reader may wonder about: as fast, faster but undecided, faster with a measurable loss, not timed."""
    if choice.tied:
        yield words("answer_tied", cells=words.listed(choice.tied))
    if choice.undecided:
        yield waiting_words(choice, evidence, words)
    fastest = Decision(evidence.verdict).recommendations.get("fastest")
    faster = evidence.cell(fastest.cell) if fastest else None
    if fastest is not None and faster is not None and faster.key not in (choice.cell, *choice.tied):
        key = "answer_as_fast" if choice.cell in fastest.tied else "answer_faster"
        yield words(key, cell=cell_name(faster, words), drop=drop_words(faster, evidence, words))
    if choice.not_timed:
        yield words("answer_not_timed", cells=words.listed(choice.not_timed), batch=evidence.main_batch)


def _scope(evidence: Evidence, words: Words) -> Iterator[str]:
    target = Decision(evidence.verdict).target(words)
    if target:
        yield words("answer_target", target=target)
    absent = [
        words("absent_group", backend=backend, precisions=words.listed(names))
        for (backend, _), names in absent_groups(evidence).items()
    ]
    if absent:
        yield words("answer_unavailable", cells=words("group_separator").join(absent))
    yield from _subject(evidence, words)
    yield words("answer_holds", id=evidence.platform.id)


def _subject(evidence: Evidence, words: Words) -> Iterator[str]:
    """Which model, on which data, as far as the run's files tell."""
    graph = evidence.export.onnx_sha256 if evidence.export else None
    if graph:
        yield words("answer_model", hash=graph[:HASH_SHOWN])
    source, train = evidence.manifest.dataset, evidence.manifest.counts.train
    if source and train is not None:
        named = words(SOURCES[source]) if source in SOURCES else source
        yield words("answer_data", source=named, classes=len(evidence.classes), train=f"{train:,}")


def drop_words(cell: Cell, evidence: Evidence, words: Words) -> str:
    """What the interval of the paired drop allows one to say, and no more."""
    if cell.key == evidence.reference:
        return words("drop_reference")
    bounds = bounds_of(cell.accuracy, "drop")
    if bounds is None:
        return words("drop_unknown")
    low, high = (f"{100 * abs(bound):.2f}" for bound in bounds)
    if bounds[0] > 0:
        return words("drop_lost", low=low, high=high)
    return words("drop_none") if bounds[1] <= 0 else words("drop_open", high=high)
