"""What ships where: a sentence for each machine, a row for each run."""

from __future__ import annotations

from collections.abc import Iterator

from roundoff.comparison.facets import MACHINE
from roundoff.comparison.run import Run
from roundoff.comparison.sheet import Sheet
from roundoff.report.render.document import Bullets, Field, Page, Paragraph, Table, row
from roundoff.report.words.numbers import (
    MISSING,
    amount_with_interval,
    percent_with_interval,
    plain,
    times_with_interval,
)
from roundoff.system.slots import REFERENCE_PRECISION

MOST_NAMED = 6
"""Runs of a machine that are named in a sentence."""


def ships_section(page: Page, sheet: Sheet) -> None:
    """The answer of each machine, then of each run, with what it rests on."""
    words = sheet.words
    sheet.heading(page, "ships")
    leads = tuple(leads_of(sheet))
    page.add(Paragraph(leads[0], "lead") if len(leads) == 1 else Bullets(leads))
    if not sheet.compared.same_target:
        page.add(Paragraph(words("compare_targets"), "warning"))
    page.add(_table(sheet))
    several = "compare_times_machines" if sheet.compared.several_machines else "compare_times_sessions"
    page.add(Paragraph(words(several), "note"))


def leads_of(sheet: Sheet) -> Iterator[str]:
    """For each machine what ships there; where its runs disagree, which says what, or of many how many do."""
    words = sheet.words
    for machine, numbers in sheet.compared.machines.items():
        said: dict[str, list[int]] = {}
        for number in numbers:
            said.setdefault(sheet.runs[number].ships or words("compare_nothing"), []).append(number)
        name = sheet.machines[machine]
        if not any(sheet.runs[number].ships for number in numbers):
            yield words("compare_lead_none", machine=name)
        elif len(said) == 1:
            yield words("compare_lead", machine=name, cell=next(iter(said)))
        else:
            parts = [_part(cell, who, len(numbers), sheet) for cell, who in said.items()]
            yield words("compare_lead_several", machine=name, parts=words("group_separator").join(parts))


def _part(cell: str, numbers: list[int], whole: int, sheet: Sheet) -> str:
    if whole > MOST_NAMED:
        return sheet.words("compare_lead_part", cell=cell, count=len(numbers), whole=whole)
    return sheet.words("compare_cell_of_run", cell=cell, run=sheet.words.listed(sheet.labels[n] for n in numbers))


def _table(sheet: Sheet) -> Table:
    labels = ("run", *(name for name, is_shown in _told_apart(sheet).items() if is_shown), "ships")
    names = (*labels, "accuracy", "end_speedup", "end_to_end", "size")
    columns = tuple(sheet.words(f"col_{name}") for name in names)
    rows = tuple(_row(sheet, number) for number in sheet.compared.order)
    return Table(sheet.words("compare_ships_caption", batch=sheet.batches), columns, rows, labels=len(labels))


def _told_apart(sheet: Sheet) -> dict[str, bool]:
    """The columns that stand there only where the runs differ in them."""
    return {"machine": sheet.compared.several_machines, "batch": sheet.several_batches}


def _row(sheet: Sheet, number: int) -> tuple[Field, ...]:
    run = sheet.runs[number]
    values = {"machine": sheet.machines[run.machine], "batch": f"{run.batch_size:,}" if run.batch_size else MISSING}
    shown = [values[name] for name, is_shown in _told_apart(sheet).items() if is_shown]
    label = sheet.labels_without(MACHINE)[number]
    if run.ships is None:
        return row(label, *shown, Field(sheet.words("compare_nothing"), "muted"), *[MISSING] * 4)
    cell, timing = run.cell(run.ships), run.timing(run.ships)
    return row(
        label,
        *shown,
        run.ships,
        percent_with_interval(cell.accuracy if cell else None, "top1"),
        speed_words(run, run.ships, sheet),
        amount_with_interval(timing, "end_to_end_p50", "ms"),
        plain(cell.size_mb if cell else None),
    )


def speed_words(run: Run, cell: str, sheet: Sheet) -> str:
    """The speed-up over the same backend's FP32 with its interval; of FP32 itself that it is the base."""
    timing = run.timing(cell)
    if timing is None or timing.end_to_end_p50_ms is None:
        return MISSING
    if cell.partition("/")[0] == REFERENCE_PRECISION:
        return sheet.words("base")
    return times_with_interval(timing, "end_to_end_speedup", sheet.words)
