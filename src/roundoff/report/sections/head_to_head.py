"""The recommended cell against every other one: ratios of the rounds that both took part in, whatever the backend."""

from __future__ import annotations

from roundoff.report.render.document import Field, Page, Table, row
from roundoff.report.sections.rows import folded
from roundoff.report.words.decision import Decision
from roundoff.report.words.naming import cell_name
from roundoff.report.words.numbers import MISSING, times
from roundoff.report.words.ratios import paired_ratio, share_a_device
from roundoff.results.message import Words
from roundoff.revisions.read import Cell, Evidence


def head_to_head_table(page: Page, evidence: Evidence, words: Words) -> None:
    """A row for each other cell at the batch size that cells are ranked at; nothing where none is recommended."""
    choice, batch = Decision(evidence.verdict).shipped, evidence.main_batch
    shipped = evidence.cell(choice.cell) if choice else None
    others = [cell for cell in evidence.measured if shipped and cell is not shipped and batch in cell.batches]
    if shipped is None or batch is None or not others:
        return
    name = cell_name(shipped, words)
    columns = (words("col_cell"), words("head_to_head_ratio", cell=name))
    rows = tuple(row(cell_name(cell, words), _ratio(evidence, shipped, cell, batch, words)) for cell in others)
    caption = words("head_to_head_caption", cell=name, batch=batch)
    page.add(*folded(Table(caption, columns, rows), words, said=False))


def _ratio(evidence: Evidence, shipped: Cell, other: Cell, batch: int, words: Words) -> Field:
    if not share_a_device(evidence, shipped, other):
        return Field(words("head_to_head_elsewhere"), "muted")
    ratio = paired_ratio(evidence, shipped, other, batch)
    if ratio is None:
        return Field(MISSING)
    return Field(times(ratio.value, (ratio.low, ratio.high), words))
