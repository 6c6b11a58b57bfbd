"""The answer: the first screen, then what ships where and for which use, and what to know before using the figures."""

from __future__ import annotations

from roundoff.report.render.document import Bullets, Heading, Page, Paragraph, Weight
from roundoff.report.sections.failures import failed_names
from roundoff.report.sections.notes import notes
from roundoff.report.sections.opening import opening
from roundoff.report.sections.rows import absent_words
from roundoff.report.sections.uses import sizes_table, uses_table
from roundoff.report.words.next_steps import next_steps
from roundoff.report.words.noise import cut_short, noise_words
from roundoff.results.message import Words
from roundoff.revisions.read import Evidence


def answer_section(page: Page, evidence: Evidence, words: Words, price_per_hour: float | None = None) -> None:
    """What to ship here, how sure that is, and on which machine it holds."""
    page.add(Heading(2, words("answer_heading"), "answer"))
    opening(page, evidence, price_per_hour, words)
    if failed := failed_names(evidence, words):
        page.add(Paragraph(words("answer_failed", cells=words.listed(failed)), "warning"))
    if noise := list(noise_words(evidence, words)):
        weight: Weight = "warning" if cut_short(evidence, words) else "note"
        page.add(Paragraph(words("sentence_separator").join(noise), weight))


def uses_section(page: Page, evidence: Evidence, words: Words) -> None:
    """What ships at each batch size, and the cell for each use; nothing without a verdict."""
    if evidence.verdict is None:
        return
    page.add(Heading(2, words("uses_heading"), "uses"))
    page.add(*sizes_table(evidence, words), uses_table(evidence, words))
    if absent := list(absent_words(evidence, words)):
        page.add(Paragraph(words("sentence_separator").join(absent), "note"))


def next_section(page: Page, evidence: Evidence, words: Words) -> None:
    """What to do with the answer; nothing where there is nothing to do."""
    steps = tuple(next_steps(evidence, words))
    if steps:
        page.add(Heading(2, words("next_heading"), "next"), Bullets(steps))


def notes_section(page: Page, evidence: Evidence, words: Words) -> None:
    """What has to be known before any figure is used; nothing where nothing has."""
    remarks = tuple(notes(evidence, words))
    if remarks:
        page.add(Heading(2, words("notes_heading"), "notes"), Bullets(remarks))
