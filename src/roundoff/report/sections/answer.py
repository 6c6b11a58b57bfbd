"""The answer: the first screen, then what ships where and for which use, and what to know before using the figures."""

from __future__ import annotations

from roundoff.report.render.document import Bullets, Heading, Page, Paragraph
from roundoff.report.sections.failures import failed_names
from roundoff.report.sections.notes import notes
from roundoff.report.sections.opening import opening
from roundoff.report.sections.rows import absent_groups
from roundoff.report.sections.uses import sizes_table, uses_table
from roundoff.report.words.noise import cut_short
from roundoff.results.message import Words
from roundoff.revisions.read import Evidence

MOST_NAMED = 3


def answer_section(page: Page, evidence: Evidence, words: Words, price_per_hour: float | None = None) -> None:
    """What to ship here, how sure that is, and on which machine it holds."""
    page.add(Heading(2, words("answer_heading"), "answer"))
    opening(page, evidence, price_per_hour, words)
    if failed := failed_names(evidence, words):
        page.add(Paragraph(words("answer_failed", cells=words.listed(failed)), "warning"))
    if cut := cut_short(evidence, words):
        values = {"cut": len(cut), "count": len(evidence.timings), "cells": words.listed(first_few(cut, words))}
        page.add(Paragraph(words("answer_narrow", **values), "warning"))


def first_few(names: list[str], words: Words) -> list[str]:
    """The first names, and how many more there are."""
    if len(names) <= MOST_NAMED:
        return names
    return [*names[:MOST_NAMED], words("and_more", count=len(names) - MOST_NAMED)]


def uses_section(page: Page, evidence: Evidence, words: Words) -> None:
    """What ships at each batch size, and the cell for each use; nothing without a verdict."""
    if evidence.verdict is None:
        return
    page.add(Heading(2, words("uses_heading"), "uses"))
    page.add(*sizes_table(evidence, words), uses_table(evidence, words))
    if absent := absent_groups(evidence):
        names = (
            words("absent_group", backend=backend, precisions=words.listed(precisions))
            for (backend, _), precisions in absent.items()
        )
        page.add(Paragraph(words("answer_unavailable", cells=words("group_separator").join(names)), "note"))


def notes_section(page: Page, evidence: Evidence, words: Words) -> None:
    """What has to be known before any figure is used; nothing where nothing has."""
    remarks = tuple(notes(evidence, words))
    if remarks:
        page.add(Heading(2, words("notes_heading"), "notes"), Bullets(remarks))
