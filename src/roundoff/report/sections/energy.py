"""Energy per image and memory of every cell."""

from __future__ import annotations

from roundoff.report.render.document import Field, Heading, Page, Paragraph, Table, row
from roundoff.report.sections.tables import precision_name
from roundoff.report.words.numbers import MISSING, plain
from roundoff.results.cell import Energy
from roundoff.results.message import Words
from roundoff.revisions.read import Cell, Evidence

COLUMNS = ("backend", "precision", "memory", "energy", "batch", "watts", "source")


def energy_section(page: Page, evidence: Evidence, words: Words) -> None:
    """Millijoules per image with the batch size, the power and the counter; the reason where there are none."""
    rows = tuple(_energy_row(cell, words) for cell in evidence.measured)
    columns = tuple(words(f"col_{name}") for name in COLUMNS)
    page.add(
        Heading(2, words("energy_heading"), "energy"),
        Paragraph(words("energy_intro")),
        Table(words("energy_caption"), columns, rows, labels=2),
    )


def _energy_row(cell: Cell, words: Words) -> tuple[Field, ...]:
    energy = cell.metrics.energy or Energy()
    labels = (cell.backend, precision_name(cell, words), plain(cell.metrics.memory_mb))
    if energy.mj_per_image is None:
        text = words("not_measured", reason=energy.reason) if energy.reason else words("unknown")
        return row(*labels, Field(text, "muted", span=len(COLUMNS) - len(labels)))
    return row(
        *labels,
        plain(energy.mj_per_image),
        f"{energy.batch_size:,}" if energy.batch_size else MISSING,
        plain(energy.power_w),
        words.sentence(energy.source) if energy.source else words("unknown"),
    )
