"""A comparison in a terminal: what ships where, the runs by number, each cell in each of them, what to beware of."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from roundoff.comparison.sections.accuracy import apart_words
from roundoff.comparison.sections.ships import leads_of
from roundoff.comparison.sections.speed import noise_words
from roundoff.comparison.sections.touched import touch_words
from roundoff.comparison.sheet import Sheet
from roundoff.report.words.decision import Decision
from roundoff.report.words.numbers import MISSING, percent_with_interval, times
from roundoff.results.values import Outcome
from roundoff.system.slots import REFERENCE_PRECISION

MARKS: dict[Outcome, tuple[str, str]] = {
    "pass": ("✓", "green"),
    "fail": ("✗", "bold red"),
    "undecided": ("?", "yellow"),
}
COLUMN = 9
"""Letters of a run's column."""
FIRST = 24
"""And of the cells' names."""


def show(sheet: Sheet, console: Console) -> None:
    """Print it all, for a person."""
    for lead in leads_of(sheet):
        console.print(Text(lead, style="bold"))
    console.print()
    console.print(_runs(sheet))
    for table in _cells(sheet, console.width):
        console.print()
        console.print(table)
    console.print(Text(sheet.words("compare_tell_cells", batch=sheet.batches), style="dim"))
    for note in _notes(sheet):
        console.print(Text(note))


def _runs(sheet: Sheet) -> Table:
    words = sheet.words
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("#", justify="right")
    for name in ("run", "ships", "accuracy"):
        table.add_column(words(f"col_{name}"), no_wrap=name != "run")
    for place, number in enumerate(sheet.compared.order, 1):
        run = sheet.runs[number]
        cell = run.cell(run.ships) if run.ships else None
        accuracy = percent_with_interval(cell.accuracy if cell else None, "top1")
        table.add_row(str(place), Text(sheet.labels[number]), run.ships or words("compare_nothing"), accuracy)
    return table


def _cells(sheet: Sheet, width: int) -> Iterator[Table]:
    """Cell × run, as many runs in one table as the terminal is wide for."""
    columns = max(1, (width - FIRST) // COLUMN)
    numbered = list(enumerate(sheet.compared.order, 1))
    for start in range(0, len(numbered), columns):
        part = numbered[start : start + columns]
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        table.add_column(sheet.words("col_cell"), no_wrap=True)
        for place, _ in part:
            table.add_column(f"#{place}", justify="right", no_wrap=True)
        for cell in sheet.compared.cells:
            table.add_row(cell, *(_field(sheet, number, cell) for _, number in part))
        yield table


def _field(sheet: Sheet, number: int, cell: str) -> Text:
    """The verdict's mark and the speed-up."""
    run = sheet.runs[number]
    if run.cell(cell) is None:
        return Text(MISSING, style="dim")
    verdict = Decision(run.verdict).verdict(cell)
    mark, style = MARKS[verdict] if verdict else (" ", "")
    timing = run.timing(cell)
    ratio = timing.end_to_end_speedup if timing else None
    if cell.partition("/")[0] == REFERENCE_PRECISION:
        ratio = 1.0 if timing and timing.end_to_end_p50_ms else None
    return Text(f"{mark} {times(ratio, None, sheet.words) if ratio else MISSING}", style=style)


def _notes(sheet: Sheet) -> Iterator[str]:
    if not sheet.compared.same_target:
        yield sheet.words("compare_targets")
    yield from apart_words(sheet)
    yield from touch_words(sheet)
    yield from noise_words(sheet)
    if sheet.compared.several_machines:
        yield sheet.words("compare_times_machines")
