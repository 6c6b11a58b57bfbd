"""The data behind the plots as CSV, for `dvc plots show` and `dvc plots diff`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from roundoff.measurement.accuracy import NOT_RUN
from roundoff.report.sections.changes import quantized_cells
from roundoff.report.words.decision import Decision
from roundoff.revisions.read import Evidence

BATCH_COLUMNS = (
    "device_p50_ms",
    "device_p50_low_ms",
    "device_p50_high_ms",
    "end_to_end_p50_ms",
    "end_to_end_p50_low_ms",
    "end_to_end_p50_high_ms",
    "throughput_per_s",
    "throughput_low_per_s",
    "throughput_high_per_s",
    "speedup",
    "speedup_low",
    "speedup_high",
)
ACCURACY_COLUMNS = ("top1", "top1_low", "top1_high")
SPEED_COLUMNS = ("cell", "precision", "backend", "batch", *BATCH_COLUMNS, *ACCURACY_COLUMNS, "size_mb", "on_front")
CONFUSION_COLUMNS = ("actual", "predicted", "images")


def csv_files(evidence: Evidence) -> dict[str, str]:
    """File name → text: a row per measured cell and batch size; of the confusion matrix a row per pair that occurs.

    Both are always there, since dvc.yaml names them: with nothing but their heads where a run has no rows.
    """
    return {
        "speed.csv": _csv(SPEED_COLUMNS, speed_rows(evidence)),
        "confusion.csv": _csv(CONFUSION_COLUMNS, confusion_rows(evidence)),
    }


def confusion_rows(evidence: Evidence) -> Iterable[tuple[str, str, int]]:
    """True class, answer and the images of both, of the worst 8-bit cell and what it ran; none without such a cell."""
    cell = next(iter(quantized_cells(evidence)), None)
    guesses = evidence.guesses(cell) if cell else None
    if guesses is not None:
        run, size = guesses != NOT_RUN, len(evidence.classes) + 1  # -1, no finite answer, is one more
        pairs, counts = np.unique(evidence.labels[run] * size + guesses[run] + 1, return_counts=True)
        for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
            true, guess = divmod(pair, size)
            yield evidence.class_name(true), evidence.class_name(guess - 1), count


def speed_rows(evidence: Evidence) -> Iterable[tuple[Any, ...]]:
    """A row in the order of SPEED_COLUMNS for each measured cell and batch size; None is an empty field."""
    front = Decision(evidence.verdict).front
    for cell in evidence.measured:
        for batch, timing in cell.batches.items():
            named = (cell.key, cell.precision, cell.backend, batch)
            figures = (getattr(timing, name) for name in BATCH_COLUMNS)
            accuracy = (getattr(cell.accuracy, name, None) for name in ACCURACY_COLUMNS)
            yield (*named, *figures, *accuracy, cell.metrics.size_mb, cell.key in front)


def _csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()
