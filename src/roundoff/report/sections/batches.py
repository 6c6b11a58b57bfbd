"""Throughput and speed-up over the batch sizes, and what a million images cost."""

from __future__ import annotations

from dataclasses import dataclass

from roundoff.report.plots.batches import best_of, over_batches
from roundoff.report.render.document import Figure, Heading, Page, Paragraph, Table, row
from roundoff.report.sections.rows import folded, row_name
from roundoff.report.words.decision import Decision
from roundoff.report.words.naming import cell_name
from roundoff.report.words.numbers import percent, plain, times
from roundoff.results.message import Words
from roundoff.revisions.read import Cell, Evidence

SECONDS_PER_HOUR, MILLION = 3600, 10**6


@dataclass(frozen=True)
class Cost:
    """What a million images cost in one cell: at the batch size of its highest throughput (images/s)."""

    cell: Cell
    batch_size: int
    throughput: float
    price: float


def costs(evidence: Evidence, price_per_hour: float) -> list[Cost]:
    """The cells whose throughput is known, the cheapest first; in the currency of `price_per_hour`."""
    return [
        Cost(cell, size, rate, price_per_hour * MILLION / rate / SECONDS_PER_HOUR)
        for cell, size, rate in best_of(evidence, "throughput")
    ]


def batches_section(page: Page, evidence: Evidence, words: Words) -> None:
    """Two line charts; nothing where only one batch size was timed."""
    drawn = {kind: over_batches(evidence, kind, words) for kind in ("throughput", "speedup")}
    if not any(drawn.values()):
        return
    page.add(Heading(2, words("batches_heading"), "batches"))
    page.plots(
        (drawing, Figure(f"{kind}_over_batches", _alt(kind, evidence, words), words(f"caption_{kind}")))
        for kind, drawing in drawn.items()
    )


def _alt(kind: str, evidence: Evidence, words: Words) -> str:
    """The line chart's result: the largest figure of each cell, and where it is reached."""
    tops = [
        words("top_at", cell=cell_name(cell, words), value=_figure(kind, value, words), batch=f"{size:,}")
        for cell, size, value in best_of(evidence, kind)
    ]
    return words(f"alt_{kind}", tops=words("group_separator").join(tops))


def _figure(kind: str, value: float, words: Words) -> str:
    return words("figure_throughput", value=plain(value)) if kind == "throughput" else times(value, None, words)


def cost_section(page: Page, evidence: Evidence, price_per_hour: float | None, words: Words) -> None:
    """A row for each cell, the cheapest first; nothing without a price."""
    found = costs(evidence, price_per_hour) if price_per_hour else []
    if not found:
        return
    shipped = Decision(evidence.verdict).shipped_name
    reference = next((cost.price for cost in found if cost.cell.key == evidence.reference), None)
    rows = tuple(
        row(
            row_name(cost.cell, shipped, words),
            plain(cost.price),
            percent(cost.price / reference, 0) if reference else "",
            plain(cost.throughput),
            f"{cost.batch_size:,}",
        )
        for cost in found
    )
    columns = tuple(words(f"col_{name}") for name in ("cell", "cost", "cost_share", "throughput", "batch"))
    marked = frozenset(number for number, cost in enumerate(found) if cost.cell.key == shipped)
    page.add(
        Heading(2, words("cost_heading"), "cost"),
        Paragraph(words("cost_intro", price=f"{price_per_hour:g}")),
        *folded(Table(words("cost_caption"), columns, rows, marked=marked), words, said=False),
    )
