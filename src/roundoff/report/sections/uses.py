"""What to ship at each batch size, and for each use."""

from __future__ import annotations

from collections.abc import Iterator

from roundoff.report.render.document import Block, Field, Table, row
from roundoff.report.sections.rows import folded
from roundoff.report.words.decision import Decision
from roundoff.report.words.naming import cell_name, waiting_words
from roundoff.report.words.numbers import MISSING, amount_with_interval, plain, times_with_interval
from roundoff.results.message import Words
from roundoff.results.values import Use
from roundoff.results.verdict import Recommendation
from roundoff.revisions.read import Cell, Evidence
from roundoff.system.slots import REFERENCE_PRECISION

AT_MAIN = ("balanced", "fastest")
"""Uses that hold at the batch size that cells are ranked at."""


def sizes_table(evidence: Evidence, words: Words) -> Iterator[Block]:
    """A row for each batch size that was timed: what ships, its time, its speed-up; nothing without a verdict."""
    chosen = evidence.verdict.batches if evidence.verdict else {}
    columns = tuple(words(f"col_{name}") for name in ("batch", "ships", "end_to_end", "end_speedup", "remarks"))
    rows = tuple(_size_row(size, choice, evidence, words) for size, choice in sorted(chosen.items()))
    if len(rows) > 1:
        marked = [number for number, size in enumerate(sorted(chosen)) if size == evidence.main_batch]
        table = Table(words("sizes_caption"), columns, rows, labels=2, marked=frozenset(marked))
        yield from folded(table, words, said=False)


def _size_row(size: int, choice: Recommendation, evidence: Evidence, words: Words) -> tuple[Field, ...]:
    cell, remarks = evidence.cell(choice.cell), words("sentence_separator").join(_remarks(choice, evidence, words))
    if cell is None:
        return row(f"{size:,}", Field(words("none"), "muted"), MISSING, MISSING, remarks)
    timing = cell.batches[size]
    compared = cell.precision != REFERENCE_PRECISION
    speedup = times_with_interval(timing, "end_to_end_speedup", words) if compared else words("base")
    time = amount_with_interval(timing, "end_to_end_p50", "ms")
    return row(f"{size:,}", cell_name(cell, words), time, speedup, remarks)


def _remarks(choice: Recommendation, evidence: Evidence, words: Words) -> Iterator[str]:
    if choice.tied:
        yield words("uses_tied", cells=words.listed(choice.tied))
    if choice.undecided:
        yield waiting_words(choice, evidence, words)


def uses_table(evidence: Evidence, words: Words) -> Table:
    """A row for each use: its cell, the figure that it was chosen by, and why."""
    columns = tuple(words(f"col_{name}") for name in ("use", "recommended", "figure", "reasons"))
    chosen = Decision(evidence.verdict).recommendations
    rows = tuple(_use_row(use, choice, evidence, words) for use, choice in chosen.items())
    return Table(words("recommendation_caption"), columns, rows, labels=4)


def _use_row(use: Use, choice: Recommendation, evidence: Evidence, words: Words) -> tuple[Field, ...]:
    cell = evidence.cell(choice.cell)
    reasons = [_rule(use, choice, cell, evidence, words), *_remarks(choice, evidence, words)]
    name = cell_name(cell, words) if cell else Field(words("none"), "muted")
    figure = _figure(use, choice, cell, evidence, words) if cell else MISSING
    return row(words(f"use_{use}"), name, figure, words("sentence_separator").join(reasons))


def _figure(use: Use, choice: Recommendation, cell: Cell, evidence: Evidence, words: Words) -> str:
    """The figure that the cell was chosen by, with the batch size that it holds for."""
    size = choice.batch_size or (evidence.main_batch if use in AT_MAIN else None)
    timing, energy = cell.batches.get(size) if size else None, cell.metrics.energy
    figures = {
        "throughput": words("figure_throughput", value=plain(timing.throughput_per_s if timing else None)),
        "smallest": words("figure_size", value=plain(cell.metrics.size_mb)),
        "energy": words("figure_energy", value=plain(energy.mj_per_image if energy else None)),
        "reference": MISSING,
    }
    text = figures.get(use) or amount_with_interval(timing, "end_to_end_p50", "ms")
    return words("figure_at", figure=text, batch=f"{size:,}") if size else text


def _rule(use: Use, choice: Recommendation, cell: Cell | None, evidence: Evidence, words: Words) -> str:
    """Why this cell is recommended for the use, or none."""
    batch = Decision(evidence.verdict).batch_size
    if cell is None and choice.failed:
        return words("rule_failed", cells=words.listed((*choice.failed, *choice.not_timed)), batch=batch)
    if cell is None and choice.not_timed:
        return words("rule_not_timed", cells=words.listed(choice.not_timed), batch=batch)
    if cell is None:
        return words(f"rule_{use}_none")
    if use == "reference" and cell.effective_precision != cell.precision:
        return words("rule_reference_as", effective=cell.effective_precision)
    if use == "reference" and cell.relative_error is None:
        return words("rule_reference_untold")
    return words(f"rule_{use}")
