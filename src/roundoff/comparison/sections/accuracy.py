"""The accuracy of each cell, compared where network and test images are the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from roundoff.comparison.comparable import difference, judged
from roundoff.comparison.run import Run
from roundoff.comparison.sheet import Sheet, side_by_side
from roundoff.report.render.document import Bullets, Field, Page, Paragraph, Table, Tone
from roundoff.report.words.numbers import MISSING, percent_with_interval
from roundoff.results.cell import Accuracy
from roundoff.revisions.change import Judgement

HASH_SHOWN = 8  # characters
TONES: dict[Judgement, Tone] = {"better": "good", "worse": "bad"}


def accuracy_section(page: Page, sheet: Sheet) -> None:
    """Tables for each class of runs that may be compared; of the others, why they may not."""
    words = sheet.words
    sheet.heading(page, "accuracy")
    page.add(Paragraph(words("compare_accuracy_intro")))
    if reasons := apart_words(sheet):
        page.add(Bullets(tuple(reasons)))
    shared = [numbers for numbers in sheet.compared.classes if len(numbers) > 1]
    page.add(*side_by_side(table for numbers in shared for table in _tables(sheet, numbers)))
    if not shared:
        page.add(Paragraph(words("compare_accuracy_none"), "note"))


def apart_words(sheet: Sheet) -> list[str]:
    """What may not be compared with the first run, and why, a sentence for each reason."""
    by_reason: dict[str, list[str]] = {}
    for number, reasons in sheet.compared.apart.items():
        by_reason.setdefault(sheet.words.sentences(reasons), []).append(sheet.labels[number])
    return [
        sheet.words("compare_apart", runs=sheet.words.listed(runs), first=sheet.labels[0], reasons=reasons)
        for reasons, runs in by_reason.items()
    ]


def _tables(sheet: Sheet, numbers: Sequence[int]) -> Iterator[Table]:
    first = sheet.runs[numbers[0]]

    def figure(number: int, cell: str) -> Field:
        accuracy = _accuracy(sheet.runs[number], cell)
        if accuracy is None:
            return Field(MISSING)
        change = None if number == numbers[0] else difference(_accuracy(first, cell), accuracy)
        return Field(percent_with_interval(accuracy, "top1"), TONES.get(judged(change), ""))

    return sheet.tables(_caption(sheet, numbers), figure, tuple(numbers))


def _accuracy(run: Run, cell: str) -> Accuracy | None:
    found = run.cell(cell)
    return found.accuracy if found else None


def _caption(sheet: Sheet, numbers: Sequence[int]) -> str:
    first = sheet.runs[numbers[0]]
    samples = max((cell.accuracy.all_images for cell in first.metrics.cells.values() if cell.accuracy), default=0)
    graph = (first.shown_graph or MISSING)[:HASH_SHOWN]
    return sheet.words("compare_accuracy_caption", samples=f"{samples:,}", graph=graph)
