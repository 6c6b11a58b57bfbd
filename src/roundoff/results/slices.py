"""What a cell loses on parts of the test set (slices): metrics/slices.csv, a row for each cell and slice."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, fields

CLASS = "class"
"""The column whose slices are the classes."""


@dataclass(frozen=True, kw_only=True)
class SliceLoss:
    """Accuracy that a cell loses to the reference on one slice: the images of one value of one column.

    `drop` is a share; [`drop_low`, `drop_high`] holds it in all slices of all cells at once with 95 %. `p_value` is the
    one-sided exact McNemar test's, `p_holm` the same adjusted for all tests; `loses` says whether it is at most 5 %.
    """

    cell: str
    column: str
    slice: str
    images: int
    reference_top1: float
    top1: float
    drop: float
    drop_low: float
    drop_high: float
    regressed: int
    corrected: int
    p_value: float
    p_holm: float
    loses: bool


COLUMNS = tuple(field.name for field in fields(SliceLoss))


def csv_from_slices(losses: Iterable[SliceLoss]) -> str:
    """The table, by columns of COLUMNS; what loses has `True` in the last one."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([getattr(loss, name) for name in COLUMNS] for loss in losses)
    return text.getvalue()
