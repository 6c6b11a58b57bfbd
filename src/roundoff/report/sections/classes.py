"""Accuracy class by class: the reference beside the 8-bit cells, what lost most first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roundoff.measurement.accuracy import NOT_RUN
from roundoff.report.render.document import Details, Heading, Page, Paragraph, Table, row
from roundoff.report.sections.changes import quantized_cells
from roundoff.report.words.naming import cell_name
from roundoff.report.words.numbers import percent, points
from roundoff.results.message import Words
from roundoff.revisions.read import Cell, Evidence

MOST_SHOWN = 12


@dataclass(frozen=True)
class ClassAccuracy:
    """One class: its test images, and the share of them that the reference and each 8-bit cell have right."""

    name: str
    images: int
    reference: float
    cells: tuple[float, ...]

    @property
    def largest_loss(self) -> float:
        """What the cell that loses most loses to the reference, as a share."""
        return self.reference - min(self.cells)

    @property
    def is_changed(self) -> bool:
        """Whether any cell is right on another share of it than the reference."""
        return any(share != self.reference for share in self.cells)


def class_accuracies(evidence: Evidence) -> tuple[list[Cell], list[ClassAccuracy]]:
    """The 8-bit cells whose answers are there, and every class, by images that all ran, the largest loss first."""
    reference = evidence.cell(evidence.reference)
    before = evidence.guesses(reference) if reference else None
    known = [(cell, evidence.guesses(cell)) for cell in quantized_cells(evidence)]
    answered = [(cell, guesses) for cell, guesses in known if guesses is not None]
    if before is None or not answered:
        return [], []
    labels, size = evidence.labels, len(evidence.classes)
    run = np.all([guesses != NOT_RUN for _, guesses in answered], axis=0)
    counts = np.bincount(labels[run], minlength=size)
    shares = [_right(each[run], labels[run], counts) for each in (before, *(guesses for _, guesses in answered))]
    found = [
        ClassAccuracy(evidence.class_name(index), int(count), *_of_class(shares, index))
        for index, count in enumerate(counts)
        if count
    ]
    return [cell for cell, _ in answered], sorted(found, key=lambda each: (-each.largest_loss, each.name))


def _right(guesses: NDArray[np.int64], labels: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """The share of right answers of each class, float64 [classes]."""
    right = np.bincount(labels[guesses == labels], minlength=len(counts))
    return right / np.maximum(counts, 1)


def _of_class(shares: Sequence[NDArray[np.float64]], index: int) -> tuple[float, tuple[float, ...]]:
    reference, *cells = (float(share[index]) for share in shares)
    return reference, tuple(cells)


def classes_section(page: Page, evidence: Evidence, words: Words) -> None:
    """A row for each class; what lies beyond the worst few, and what did not change, folds away."""
    cells, found = class_accuracies(evidence)
    if not found:
        return
    page.add(Heading(2, words("classes_heading"), "classes"), Paragraph(words("classes_intro")))
    caption = words("classes_caption", reference=evidence.reference)
    changed = [each for each in found if each.is_changed]
    if changed:
        page.add(_table(caption, changed[:MOST_SHOWN], cells, words))
    _fold(page, "classes_rest", changed[MOST_SHOWN:], cells, words)
    _fold(page, "classes_same", [each for each in found if not each.is_changed], cells, words)


def _fold(page: Page, key: str, found: Sequence[ClassAccuracy], cells: Sequence[Cell], words: Words) -> None:
    if found:
        summary = words(key, count=len(found))
        page.add(Details(summary, (_table(summary, found, cells, words),)))


def _table(caption: str, found: Sequence[ClassAccuracy], cells: Sequence[Cell], words: Words) -> Table:
    names = (
        words("col_class"),
        words("col_count"),
        words("col_reference"),
        *(cell_name(cell, words) for cell in cells),
    )
    rows = tuple(
        row(
            each.name,
            f"{each.images:,}",
            percent(each.reference, 1),
            *(percent(share, 1) for share in each.cells),
            points(-each.largest_loss, 1),
        )
        for each in found
    )
    return Table(caption, (*names, words("col_largest_loss")), rows)
