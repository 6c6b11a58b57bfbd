"""The answer at the top; the words follow the data."""

from __future__ import annotations

from collections.abc import Iterator

from roundoff.report.render.document import Bullets, Heading, Page, Paragraph
from roundoff.report.sections.failures import failed_names
from roundoff.report.sections.machine import machine_name
from roundoff.report.sections.notes import notes
from roundoff.report.sections.tables import absent_groups
from roundoff.report.sections.verdicts import is_noisy
from roundoff.report.words.decision import Decision, Recommendation
from roundoff.report.words.naming import cell_name, waiting_words
from roundoff.report.words.numbers import amount_with_interval, interval, percent_with_interval, times_with_interval
from roundoff.results.message import Words
from roundoff.revisions.read import Cell, Evidence

HASH_SHOWN = 12  # characters of a hash


def answer_section(page: Page, evidence: Evidence, words: Words) -> None:
    """Which precision to ship here, how sure that is, and on which machine it holds."""
    machine, decision = machine_name(evidence.platform, words), Decision(evidence.verdict)
    choice = decision.shipped
    cell = evidence.cell(choice.cell) if choice else None
    page.add(Heading(2, words("answer_heading"), "answer"))
    if not evidence.verdict:
        page.add(Paragraph(words("verdict_missing"), "lead"))
    elif choice is None or cell is None:
        page.add(Paragraph(words("answer_none", machine=machine), "lead"))
        if untimed := next((choice.untimed for choice in decision.recommendations if choice.untimed), ()):
            names = words("list_separator").join(untimed)
            page.add(Paragraph(words("answer_untimed", cells=names, batch=decision.batch_size)))
        undecided = next((choice for choice in decision.recommendations if choice.waiting and not choice.cell), None)
        if undecided:
            page.add(Paragraph(waiting_words(undecided, evidence, words)))
    else:
        page.add(Paragraph(words("answer_ship", cell=cell_name(cell, words), machine=machine), "lead"))
        page.add(_paragraph(_support(cell, choice, evidence, words), words))
    if failed := failed_names(evidence, words):
        page.add(Paragraph(words("answer_failed", cells=words("list_separator").join(failed)), "warning"))
    page.add(_paragraph(_scope(evidence, words), words))
    if cut := _cut_short(evidence, words):
        values = {"cut": len(cut), "count": len(evidence.timings), "cells": words("list_separator").join(cut)}
        page.add(Paragraph(words("answer_narrow", **values), "warning"))
    found = tuple(notes(evidence, words))
    if found:
        page.add(Heading(3, words("notes_heading"), "notes"), Bullets(found))


def _cut_short(evidence: Evidence, words: Words) -> list[str]:
    """Batches that were noisy until the time budget ended: on a busy machine intervals cover less than they claim."""
    return [
        words("cell_batch", cell=cell.key, batch=batch)
        for cell, batch, timing in evidence.timed_batches
        if timing.get("stopped") == "budget" and is_noisy(timing)
    ]


def _paragraph(sentences: Iterator[str], words: Words) -> Paragraph:
    return Paragraph(words("sentence_separator").join(sentences))


def _support(cell: Cell, choice: Recommendation, evidence: Evidence, words: Words) -> Iterator[str]:
    batch = evidence.main_batch
    timing = cell.batches.get(batch, {}) if batch else {}
    if timing.get("end_to_end_p50_ms") is not None:
        compared = cell.precision != "fp32" and timing.get("end_to_end_speedup") is not None
        key = "answer_speed" if compared else "answer_speed_plain"
        speedup = times_with_interval(timing, "end_to_end_speedup")
        yield words(key, batch=batch, time=amount_with_interval(timing, "end_to_end_p50", "ms"), speedup=speedup)
    drop = drop_words(cell, evidence, words)
    top1 = percent_with_interval(cell.accuracy, "top1")
    yield words("answer_accuracy", top1=top1, samples=f"{cell.accuracy.get('samples') or 0:,}", drop=drop)
    yield from _rivals(choice, evidence, words)


def _rivals(choice: Recommendation, evidence: Evidence, words: Words) -> Iterator[str]:
    """Cells that a reader may wonder about: as fast, faster but undecided, faster with a measurable loss, not timed."""
    separator = words("list_separator")
    if choice.tied:
        yield words("answer_tied", cells=separator.join(choice.tied))
    if choice.waiting:
        yield waiting_words(choice, evidence, words)
    fastest = next((other for other in Decision(evidence.verdict).recommendations if other.use == "fastest"), None)
    faster = evidence.cell(fastest.cell) if fastest else None
    if fastest is not None and faster is not None and faster.key not in (choice.cell, *choice.tied):
        key = "answer_as_fast" if choice.cell in fastest.tied else "answer_faster"
        yield words(key, cell=cell_name(faster, words), drop=drop_words(faster, evidence, words))
    if choice.untimed:
        yield words("answer_untimed", cells=separator.join(choice.untimed), batch=evidence.main_batch)


def _scope(evidence: Evidence, words: Words) -> Iterator[str]:
    target = Decision(evidence.verdict).target(words)
    if target:
        yield words("answer_target", target=target)
    separator = words("list_separator")
    absent = [
        words("absent_group", backend=backend, precisions=separator.join(names))
        for (backend, _), names in absent_groups(evidence).items()
    ]
    if absent:
        yield words("answer_unavailable", cells=words("group_separator").join(absent))
    yield from _subject(evidence, words)
    yield words("answer_holds", id=evidence.platform.get("id"))


def _subject(evidence: Evidence, words: Words) -> Iterator[str]:
    """Which model, on which data, as far as the run's files tell."""
    graph = evidence.facts("export").get("onnx_sha256")
    if graph:
        yield words("answer_model", hash=str(graph)[:HASH_SHOWN])
    source = (evidence.manifest.get("source") or {}).get("dataset")
    if source:
        train = f"{evidence.manifest['counts']['train']:,}"
        yield words("answer_data", source=words.said(str(source)), classes=len(evidence.classes), train=train)


def drop_words(cell: Cell, evidence: Evidence, words: Words) -> str:
    """What the interval of the paired drop allows one to say, and no more."""
    if cell.key == evidence.reference:
        return words("drop_reference")
    bounds = interval(cell.accuracy, "drop")
    if bounds is None:
        return words("drop_unknown")
    low, high = (f"{100 * abs(bound):.2f}" for bound in bounds)
    if bounds[0] > 0:
        return words("drop_lost", low=low, high=high)
    return words("drop_none") if bounds[1] <= 0 else words("drop_open", high=high)
