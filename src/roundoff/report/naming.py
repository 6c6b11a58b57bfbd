"""Cells in running text."""

from __future__ import annotations

from roundoff.report.comparison import precision_name
from roundoff.report.decision import Decision, Recommendation
from roundoff.report.evidence import Cell, Evidence
from roundoff.report.messages import Words


def waiting_words(choice: Recommendation, evidence: Evidence, words: Words) -> str:
    """The faster cells that are undecided, each with the number of test images that would decide."""
    needed = {cell: Decision(evidence.verdict).samples_needed(cell) for cell in choice.waiting}
    names = [words("cell_needs", cell=cell, count=count) if count else cell for cell, count in needed.items()]
    return words("answer_waiting", cells=words("list_separator").join(names))


def cell_name(cell: Cell, words: Words) -> str:
    """A cell in running text: what it computes in, and on what."""
    return f"{precision_name(cell, words)} / {cell.backend}"
