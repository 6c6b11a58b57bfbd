"""Cells in running text."""

from __future__ import annotations

from roundoff.report.words.compute_types import computes
from roundoff.report.words.decision import Decision
from roundoff.results.message import Words
from roundoff.results.verdict import Recommendation
from roundoff.revisions.read import Cell, Evidence


def precision_name(cell: Cell, words: Words) -> str:
    """The precision asked for, and what is computed in besides it or instead."""
    if cell.effective_precision != cell.precision:
        return words("computes_as", precision=cell.precision, effective=cell.effective_precision)
    computed = computes(cell)
    if not computed.others:
        return cell.precision
    key = "rest_in" if computed.share_named else "multiplies_in"
    return words(key, precision=cell.precision, kinds=words.listed(computed.others))


def cell_name(cell: Cell, words: Words) -> str:
    """A cell in running text: what it computes in, and on what."""
    return f"{precision_name(cell, words)} / {cell.backend}"


def waiting_words(choice: Recommendation, evidence: Evidence, words: Words) -> str:
    """Undecided cells that a recommendation waits for, each with the number of test images that would decide."""
    decision = Decision(evidence.verdict)
    names = (waiting_name(cell, decision, words) for cell in choice.undecided)
    key = "answer_waiting" if choice.cell else "answer_undecided"
    return words(key, cells=words.listed(names))


def waiting_name(cell: str, decision: Decision, words: Words) -> str:
    """An undecided cell, with the number of test images that would decide."""
    if decision.undecidable(cell):
        return words("cell_undecidable", cell=cell)
    count = decision.samples_needed(cell)
    return words("cell_needs", cell=cell, count=count) if count else cell
