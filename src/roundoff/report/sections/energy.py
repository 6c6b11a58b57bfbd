"""Energy per image and memory of every cell."""

from __future__ import annotations

from roundoff.report.render.document import Field, Heading, Page, Paragraph, Table, row
from roundoff.report.sections.rows import folded, marked_rows, row_name
from roundoff.report.words.decision import Decision
from roundoff.report.words.numbers import MISSING, plain
from roundoff.report.words.reasons import plain_reason
from roundoff.results.cell import Energy
from roundoff.results.message import Words
from roundoff.revisions.read import Cell, Evidence

COLUMNS: tuple[str, ...] = ("cell", "memory", "energy", "batch", "watts", "source")


def energy_section(page: Page, evidence: Evidence, words: Words) -> None:
    """Millijoules per image with the batch size, the power and the counter; the reason where there are none."""
    cells = evidence.measured
    page.add(Heading(2, words("energy_heading"), "energy"))
    if any(_energy(cell).mj_per_image is not None for cell in cells):
        page.add(Paragraph(words("energy_intro")))
        columns = COLUMNS
    else:
        reasons = dict.fromkeys(plain_reason(_energy(cell).reason, words) for cell in cells)
        page.add(Paragraph(words("energy_none", reasons=words.listed(reasons))))
        columns = COLUMNS[:2]
    shipped = Decision(evidence.verdict).shipped_name
    rows = tuple(_energy_row(cell, shipped, len(columns), words) for cell in cells)
    names = tuple(words(f"col_{name}") for name in columns)
    page.add(*folded(Table(words("energy_caption"), names, rows, marked=marked_rows(cells, shipped)), words))


def _energy(cell: Cell) -> Energy:
    return cell.metrics.energy or Energy()


def _energy_row(cell: Cell, shipped: str | None, columns: int, words: Words) -> tuple[Field, ...]:
    energy = _energy(cell)
    labels = (row_name(cell, shipped, words), plain(cell.metrics.memory_mb))
    if columns == len(labels):
        return row(*labels)
    if energy.mj_per_image is None:
        text = words("not_measured", reason=plain_reason(energy.reason, words)) if energy.reason else words("unknown")
        return row(*labels, Field(text, "muted", span=columns - len(labels)))
    return row(
        *labels,
        plain(energy.mj_per_image),
        f"{energy.batch_size:,}" if energy.batch_size else MISSING,
        plain(energy.power_w),
        words.sentence(energy.source) if energy.source else words("unknown"),
    )
