"""Latency distributions and percentiles."""

from __future__ import annotations

from roundoff.report.plots.speed import latency_figure, whisker_ends
from roundoff.report.render.document import Details, Field, Figure, Heading, Page, Table, row
from roundoff.report.words.naming import cell_name
from roundoff.report.words.numbers import percent, plain
from roundoff.results.cell import Batch
from roundoff.results.message import Words
from roundoff.revisions.read import Cell, Evidence

PERCENTILES = {"p50": "p50", "p90": "p90", "p95": "p95", "p99": "p99", "p999": "p99.9"}
CLOCKS = ("device", "end_to_end")


def latency_section(page: Page, evidence: Evidence, words: Words) -> None:
    """A plot a batch size, then all percentiles in one table that folds away."""
    page.add(Heading(2, words("latency_heading"), "latency"))
    page.plots(
        (latency_figure(evidence, batch, words), _figure(evidence, batch, words)) for batch in evidence.batch_sizes
    )
    page.add(Details(words("percentiles_caption"), (_percentiles(evidence, words),)))


def _figure(evidence: Evidence, batch: int, words: Words) -> Figure:
    low, high = whisker_ends(evidence, batch)
    caption = words("latency_caption", batch=batch, low=low, high=high)
    return Figure(f"latency_batch_{batch}", _alt(evidence, batch, words), caption)


def _alt(evidence: Evidence, batch: int, words: Words) -> str:
    known = ((cell, cell.batches.get(batch)) for cell in evidence.measured)
    marks = [
        words("latency_mark", cell=cell_name(cell, words), time=plain(timing.device_p50_ms))
        for cell, timing in known
        if timing
    ]
    return words("latency_alt", batch=batch, marks=words("group_separator").join(marks))


def _percentiles(evidence: Evidence, words: Words) -> Table:
    labels = tuple(words(f"col_{name}") for name in ("cell", "batch", "clock"))
    tail = (words("col_cv"), words("col_runs"))
    rows = tuple(
        _percentile_row(cell, batch, timing, clock, words)
        for cell in evidence.measured
        for batch, timing in cell.batches.items()
        for clock in CLOCKS
    )
    return Table(words("percentiles_caption"), (*labels, *PERCENTILES.values(), *tail), rows, labels=3)


def _percentile_row(cell: Cell, batch: int, timing: Batch, clock: str, words: Words) -> tuple[Field, ...]:
    return row(
        cell_name(cell, words),
        f"{batch:,}",
        words(f"clock_{clock}"),
        *(plain(getattr(timing, f"{clock}_{key}_ms")) for key in PERCENTILES),
        percent(timing.cv if clock == "device" else None, 1),
        f"{timing.runs:,}",
    )
