"""The precision comparison: a table a batch size."""

from __future__ import annotations

from roundoff.report.render.document import Field, Heading, Page, Paragraph, Table, row
from roundoff.report.sections.rows import (
    absent_rows,
    failed_rows,
    folded,
    marked_rows,
    reason_field,
    row_name,
    runtime_details,
    verdict_field,
)
from roundoff.report.words.decision import Decision
from roundoff.report.words.numbers import MISSING, percent_with_interval, plain, times_with_interval
from roundoff.results.cell import Batch
from roundoff.results.message import Words
from roundoff.revisions.read import Cell, Evidence
from roundoff.system.slots import REFERENCE_PRECISION

COLUMNS = ("cell", "verdict", "speedup", "device", "end_to_end", "throughput", "accuracy", "size", "load")


def precision_section(page: Page, evidence: Evidence, words: Words) -> None:
    """Every cell with its ratio to FP32, time, throughput, accuracy, size and load time; what ships there is marked."""
    intro = words("precision_intro", loads=_loads(evidence, words))
    page.add(Heading(2, words("precision_heading"), "precision"), Paragraph(intro))
    for batch in evidence.batch_sizes:
        page.add(*folded(_precision_table(evidence, batch, words), words))
    if not evidence.platform.gpus:
        page.add(Paragraph(words("cpu_note"), "note"))
    page.add(*runtime_details(evidence, words))


def _loads(evidence: Evidence, words: Words) -> str:
    """How many fresh loads intervals are taken over."""
    loads = [timing.loads for timing in evidence.timings if timing.loads]
    return words.span(min(loads), max(loads)) if loads else words("several")


def _precision_table(evidence: Evidence, batch: int, words: Words) -> Table:
    decision = Decision(evidence.verdict)
    shipped = decision.shipped_at(batch)
    rows = tuple(_precision_row(cell, batch, decision, words) for cell in evidence.measured)
    failed = failed_rows(evidence, words, span=len(COLUMNS) - 2)
    return Table(
        words("precision_caption", batch=batch),
        tuple(words(f"col_{name}") for name in COLUMNS),
        rows + failed + absent_rows(evidence, words, span=len(COLUMNS) - 1),
        labels=2,
        marked=marked_rows(evidence.measured, shipped),
    )


def _precision_row(cell: Cell, batch: int, decision: Decision, words: Words) -> tuple[Field, ...]:
    timing, name = cell.batches.get(batch), row_name(cell, decision.shipped_at(batch), words)
    verdict = verdict_field(decision.verdict(cell.key), words)
    if timing and timing.reason:
        return row(name, verdict, reason_field(timing, words, span=len(COLUMNS) - 2))
    return row(
        name,
        verdict,
        _ratio_field(cell, batch, decision, words),
        plain(timing.device_p50_ms if timing else None),
        plain(timing.end_to_end_p50_ms if timing else None),
        plain(timing.throughput_per_s if timing else None),
        percent_with_interval(cell.accuracy, "top1"),
        plain(cell.metrics.size_mb),
        plain(cell.metrics.load_ms),
    )


def _ratio_field(cell: Cell, batch: int, decision: Decision, words: Words) -> Field:
    if cell.precision == REFERENCE_PRECISION:
        return Field(words("base") if timed(cell, batch) else MISSING)
    ratio = times_with_interval(cell.batches.get(batch), "speedup", words)
    if decision.same_speed(cell.key, batch):
        return Field(words("same_speed", ratio=ratio), "muted")
    return Field(ratio)


def timed(cell: Cell, batch: int) -> Batch | None:
    """The batch size's figures; None where it was not timed."""
    timing = cell.batches.get(batch)
    return timing if timing and timing.device_p50_ms is not None else None
