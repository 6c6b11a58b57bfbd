"""The recommended cell against every other one: ratios of the rounds that both took part in, whatever the backend."""

from __future__ import annotations

import numpy as np

from roundoff.measurement.statistics import FEWEST_FOR_MEDIAN_INTERVAL, Interval, median_interval
from roundoff.measurement.timing import medians_by_load
from roundoff.report.render.document import Field, Page, Table, row
from roundoff.report.words.decision import Decision
from roundoff.report.words.naming import cell_name
from roundoff.report.words.numbers import MISSING, times
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
    page.add(Table(words("head_to_head_caption", cell=name, batch=batch), columns, rows))


def _ratio(evidence: Evidence, shipped: Cell, other: Cell, batch: int, words: Words) -> Field:
    if not any({shipped.key, other.key} <= set(device.cells) for device in evidence.devices.values()):
        return Field(words("head_to_head_elsewhere"), "muted")
    ratio = paired_ratio(evidence, shipped, other, batch)
    if ratio is None:
        return Field(MISSING)
    return Field(times(ratio.value, (ratio.low, ratio.high)))


def paired_ratio(evidence: Evidence, cell: Cell, other: Cell, batch: int) -> Interval | None:
    """How many times as fast end to end as `other` the cell is, as a speed-up is: rounds, loads, interval over loads.

    None where the raw timings do not tell, or too few loads are shared for a 95 % interval.
    """
    ours, theirs = evidence.samples(cell, batch), evidence.samples(other, batch)
    if not all("round_load" in samples and "round_end_to_end_ms" in samples for samples in (ours, theirs)):
        return None
    loads = np.intersect1d(ours["round_load"], theirs["round_load"])
    a, b = (samples["round_end_to_end_ms"][np.isin(samples["round_load"], loads)] for samples in (ours, theirs))
    if len(loads) < FEWEST_FOR_MEDIAN_INTERVAL or len(a) != len(b):
        return None
    of_round = ours["round_load"][np.isin(ours["round_load"], loads)]
    return median_interval(medians_by_load(b / a, of_round.astype(np.int64)))
