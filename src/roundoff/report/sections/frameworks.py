"""Backends side by side: times, sizes, load and build times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from roundoff.report.render.document import Field, Heading, Page, Paragraph, Table, row
from roundoff.report.sections.precision import timed
from roundoff.report.sections.rows import absent_words, folded, marked_rows, row_name
from roundoff.report.words.compute_types import is_8_bit
from roundoff.report.words.decision import Decision
from roundoff.report.words.numbers import MISSING, percent, plain
from roundoff.results.message import Words
from roundoff.revisions.read import Cell, Evidence
from roundoff.system.slots import REFERENCE_PRECISION

LARGER = 1.05  # a share of another's size that wants to be explained
HALF_BITS = 16


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
        page.add(*folded(Table(caption, (words("col_precision"), *backends), rows), words, said=False))
    _absent(page, evidence, words)


def _absent(page: Page, evidence: Evidence, words: Words) -> None:
    """What the tables leave out, since it was not run here, and why."""
    if absent := list(absent_words(evidence, words)):
        page.add(Paragraph(words("sentence_separator").join(absent), "note"))


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
    remarks = [*_built_only(evidence, words), *_larger(evidence, words), *_larger_than_16_bits(evidence, words)]
    if remarks:
        page.add(Paragraph(words("sentence_separator").join(remarks), "note"))


def _built_only(evidence: Evidence, words: Words) -> Iterator[str]:
    """What has a size, and maybe a build time, but nothing else."""
    cells = [cell.key for cell in evidence.cells if not cell.measured and cell.metrics.size_mb is not None]
    if cells:
        yield words("built_only", cells=words.listed(cells))


def _larger(evidence: Evidence, words: Words) -> Iterator[str]:
    """Which artifacts are clearly larger than the same backend's FP32, and how that comes."""
    shares = ((cell.key, _share(cell, evidence)) for cell in evidence.cells)
    if larger := [name for name, share in shares if share and share > LARGER]:
        yield words("size_larger", cells=words.listed(larger))


def _larger_than_16_bits(evidence: Evidence, words: Words) -> Iterator[str]:
    """Which artifacts in 8 bits are clearly larger than one of the same backend in 16, and how that comes."""
    halves: dict[str, float] = {}
    for cell in evidence.cells:
        if cell.types and cell.types.weight_bits == HALF_BITS and cell.metrics.size_mb is not None:
            halves[cell.backend] = min(cell.metrics.size_mb, halves.get(cell.backend, cell.metrics.size_mb))
    sizes = {cell.key: (cell.metrics.size_mb, halves.get(cell.backend)) for cell in evidence.cells if is_8_bit(cell)}
    if larger := [name for name, (size, half) in sizes.items() if size and half and size > LARGER * half]:
        yield words("size_larger_than_16_bits", cells=words.listed(larger))


def size_words(cell: Cell | None, evidence: Evidence, words: Words) -> str:
    """The artifact's size in MB, with its share of the same backend's FP32 where that is another."""
    size, share = (cell.metrics.size_mb, _share(cell, evidence)) if cell else (None, None)
    return plain(size) if share is None else words("size_cell", size=plain(size), share=percent(share, 0))


def _share(cell: Cell, evidence: Evidence) -> float | None:
    """Its size over that of the same backend's FP32; None where one of them is not known."""
    wide = evidence.cell(f"{REFERENCE_PRECISION}/{cell.backend}")
    size, whole = (each.metrics.size_mb if each else None for each in (cell, wide))
    return size / whole if size is not None and whole else None


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
