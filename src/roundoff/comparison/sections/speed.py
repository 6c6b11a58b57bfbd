"""The verdict and the speed-up of each cell in each run."""

from __future__ import annotations

from collections.abc import Iterator

from roundoff.comparison.noise import noise_of
from roundoff.comparison.sections.ships import speed_words
from roundoff.comparison.sheet import Sheet, side_by_side
from roundoff.report.render.document import Bullets, Field, Page, Paragraph
from roundoff.report.sections.rows import verdict_field
from roundoff.report.words.decision import Decision
from roundoff.report.words.numbers import MISSING


def verdicts_section(page: Page, sheet: Sheet) -> None:
    """Cell × run: pass, fail or undecided, by the target of the run."""
    sheet.heading(page, "verdicts")

    def figure(number: int, cell: str) -> Field:
        run = sheet.runs[number]
        if run.cell(cell) is not None:
            return verdict_field(Decision(run.verdict).verdict(cell), sheet.words)
        known = run.metrics.cells.get(cell)
        return Field(sheet.words("compare_failed"), "bad") if known and known.status == "failed" else Field(MISSING)

    page.add(*side_by_side(sheet.tables(sheet.words("compare_verdicts_caption"), figure)))


def speed_section(page: Page, sheet: Sheet) -> None:
    """Cell × run: the ratio of times within the run, never beside another run's."""
    words = sheet.words
    sheet.heading(page, "speed")
    page.add(Paragraph(words("compare_speed_intro")))
    caption = words("compare_speed_caption", batch=sheet.batches)
    tables = sheet.tables(caption, lambda number, cell: speed_words(sheet.runs[number], cell, sheet))
    page.add(*side_by_side(tables))
    if told := tuple(noise_words(sheet)):
        page.add(Bullets(told))


def noise_words(sheet: Sheet) -> Iterator[str]:
    """For each machine, what an engine that stayed the same differs by."""
    for noise in noise_of(sheet.compared):
        ends = {"low": f"{noise.low:.2f}", "high": f"{noise.high:.2f}"}
        values = {"machine": sheet.machines[noise.machine], "cell": noise.cell, "count": noise.runs}
        yield sheet.words("compare_noise", **values, **ends)
