"""Backends side by side: times, sizes, load and build times."""

from __future__ import annotations

from collections.abc import Iterable

from roundoff.report.render.document import Field, Heading, Page, Paragraph, Table, row
from roundoff.report.sections.precision import timed
from roundoff.report.sections.rows import folded, marked_rows, row_name
from roundoff.report.words.decision import Decision
from roundoff.report.words.numbers import MISSING, percent, plain
from roundoff.results.message import Words
from roundoff.revisions.read import Cell, Evidence
from roundoff.system.slots import REFERENCE_PRECISION


def framework_section(page: Page, evidence: Evidence, words: Words) -> None:
    """Precisions down, backends across, one table a batch size."""
    page.add(Heading(2, words("framework_heading"), "frameworks"), Paragraph(words("framework_intro")))
    backends, precisions = _names(evidence.cells)
    for batch in evidence.batch_sizes:
        rows = tuple(
            row(name, *(_framework_text(evidence.cell(f"{name}/{backend}"), batch, words) for backend in backends))
            for name in precisions
        )
        caption = words("framework_caption", batch=batch)
        page.add(*folded(Table(caption, (words("col_precision"), *backends), rows), words))


def _framework_text(cell: Cell | None, batch: int, words: Words) -> Field:
    if cell is None:
        return Field(MISSING)
    if cell.failed or batch in cell.metrics.failed_batches:
        return Field(words("failed"), "bad")
    timing = timed(cell, batch)
    if timing is None:
        return Field(words("not_timed" if cell.measured else "not_run"), "muted")
    time, throughput = plain(timing.device_p50_ms), plain(timing.throughput_per_s)
    return Field(words("framework_cell", time=time, throughput=throughput))


def size_section(page: Page, evidence: Evidence, words: Words) -> None:
    """Size of every artifact that was built, run or not, with its share of the same backend's FP32."""
    backends, precisions = _names(evidence.cells)
    rows = tuple(
        row(name, *(size_words(evidence.cell(f"{name}/{backend}"), evidence, words) for backend in backends))
        for name in precisions
    )
    page.add(Heading(2, words("size_heading"), "size"))
    page.add(*folded(Table(words("size_caption"), (words("col_precision"), *backends), rows), words))


def size_words(cell: Cell | None, evidence: Evidence, words: Words) -> str:
    """The artifact's size in MB, with its share of the same backend's FP32 where that is another."""
    wide = evidence.cell(f"{REFERENCE_PRECISION}/{cell.backend}") if cell else None
    size, whole = (each.metrics.size_mb if each else None for each in (cell, wide))
    if size is None or not whole:
        return plain(size)
    return words("size_cell", size=plain(size), share=percent(size / whole, 0))


def load_section(page: Page, evidence: Evidence, words: Words) -> None:
    """Load and build time of every cell."""
    shipped = Decision(evidence.verdict).shipped_name
    cells = [cell for cell in evidence.cells if cell.measured or cell.build_s is not None]
    rows = tuple(
        row(row_name(cell, shipped, words), plain(cell.metrics.load_ms), plain(cell.build_s)) for cell in cells
    )
    columns = tuple(words(f"col_{name}") for name in ("cell", "load", "build"))
    page.add(Heading(2, words("load_heading"), "load"), Paragraph(words("load_intro")))
    page.add(*folded(Table(words("load_caption"), columns, rows, marked=marked_rows(cells, shipped)), words))


def _names(cells: Iterable[Cell]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Backends and precisions, each once, in the order of the cells."""
    backends = dict.fromkeys(cell.backend for cell in cells)
    precisions = dict.fromkeys(cell.precision for cell in cells)
    return tuple(backends), tuple(precisions)
