"""Every figure of every cell, folded away; and the runs, with what identifies them."""

from __future__ import annotations

from roundoff.comparison.sections.ships import speed_words
from roundoff.comparison.sheet import Sheet
from roundoff.report.render.document import Details, Field, Page, Table, row
from roundoff.report.sections.rows import verdict_field
from roundoff.report.words.decision import Decision
from roundoff.report.words.numbers import (
    MISSING,
    amount_with_interval,
    percent_with_interval,
    plain,
    points_with_interval,
)

HASH_SHOWN = 8  # characters
FIGURES = ("run", "verdict", "accuracy", "drop", "agreement", "end_speedup", "end_to_end", "size", "engine")
IDENTITIES = ("run", "name", "fingerprint", "clock", "commit", "test_images", "graph")


def everything_section(page: Page, sheet: Sheet) -> None:
    """A folded table for each cell, with a row for each run that measured it."""
    sheet.heading(page, "everything")
    for cell in sheet.compared.cells:
        rows = tuple(_row(sheet, number, cell) for number in sheet.compared.order if sheet.runs[number].cell(cell))
        columns = tuple(sheet.words(f"col_{name}") for name in FIGURES)
        caption = sheet.words("compare_everything_caption", cell=cell, batch=sheet.batches)
        page.add(Details(cell, (Table(caption, columns, rows, labels=2),)))


def _row(sheet: Sheet, number: int, cell: str) -> tuple[Field, ...]:
    run = sheet.runs[number]
    found, timing = run.cell(cell), run.timing(cell)
    accuracy = found.accuracy if found else None
    paired = None if cell == run.metrics.reference else accuracy
    return row(
        sheet.labels[number],
        verdict_field(Decision(run.verdict).verdict(cell), sheet.words),
        percent_with_interval(accuracy, "top1"),
        points_with_interval(paired, "drop"),
        percent_with_interval(paired, "agreement"),
        speed_words(run, cell, sheet),
        amount_with_interval(timing, "end_to_end_p50", "ms"),
        plain(found.size_mb if found else None),
        next(iter(run.engine(cell).values()), MISSING)[:HASH_SHOWN],
    )


def runs_section(page: Page, sheet: Sheet) -> None:
    """What each run is: its name, machine, day, commit, and the hashes of images and network."""
    sheet.heading(page, "runs")
    columns = tuple(sheet.words(f"col_{name}") for name in IDENTITIES)
    rows = tuple(_identity(sheet, number) for number in sheet.compared.order)
    page.add(Table(sheet.words("compare_runs_caption"), columns, rows, labels=len(columns)))


def _identity(sheet: Sheet, number: int) -> tuple[Field, ...]:
    run = sheet.runs[number]
    origin = run.metrics.method.origin
    shown = (origin.commit or run.snapshot.commit, run.test_set, run.shown_graph)
    return row(
        sheet.labels[number],
        run.name,
        run.machine,
        origin.date or MISSING,
        *((each or MISSING)[:HASH_SHOWN] for each in shown),
    )
