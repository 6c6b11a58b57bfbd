"""Answers, times, curves and noise of a run, read back: as many as the metrics say, and numbers where numbers stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from math import isfinite, isnan
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roundoff.measurement.accuracy import NOT_RUN, predictions
from roundoff.results.cell import Accuracy
from roundoff.results.preparation import Noise
from roundoff.system.arrays import array_type, mapped_array, number_series, unreadable
from roundoff.system.tables import Rows, read_table

WRITER = "evaluate"
TIMES = ("device_ms", "end_to_end_ms", "round_ms", "round_end_to_end_ms", "round_load", "round_stream_s")
KINDS = ("activation", "weight")


def labels_in(path: Path, classes: int) -> NDArray[np.int64]:
    """True classes of the test images, int64 [N]; DataError unless they are some of so many classes."""
    labels: NDArray[np.int64] = np.array(mapped_array(path, "int64", 1, WRITER))
    if not labels.size or not 0 <= labels.min() <= labels.max() < classes:
        raise unreadable(path, f"labels of {sorted(set(labels.tolist()))[:8]}", f"classes 0 to {classes - 1}", WRITER)
    return labels


def guesses_in(path: Path, labels: NDArray[np.int64], classes: int, told: Accuracy | None) -> NDArray[np.int64]:
    """The class chosen for each test image, int64 [N], -1 where a logit is not finite, NOT_RUN behind an early stop.

    From the classes of the largest logits, or from all logits, as they were kept before. DataError unless these are of
    those images and classes, and as many are right as the metrics tell.
    """
    chosen = _chosen(path, len(labels), classes)
    whole = told is None or told.samples == len(labels)
    if whole:
        chosen[chosen == NOT_RUN] = -1  # every image was run, and some have no number for an answer
    right, nonfinite, run = (int(found.sum()) for found in (chosen == labels, chosen == -1, chosen != NOT_RUN))
    if told is not None and (right != told.correct or run > told.samples or (whole and nonfinite != told.nonfinite)):
        received = f"{right} of {run} right answers, {nonfinite} not finite"
        expected = f"{told.correct} of {told.samples}, {told.nonfinite} not finite, as in the metrics"
        raise unreadable(path, received, expected, WRITER)
    return chosen


Guesses = NDArray[np.int64] | None


def agreeing(path: Path, own: Guesses, reference: Guesses, told: Accuracy | None) -> Guesses:
    """The cell's own; DataError unless as many of them are the reference's as the metrics tell.

    So another cell's answers are seen that are as often right. Where some were not run or are no numbers, none count.
    """
    if own is None or reference is None or told is None or told.agreement is None:
        return own
    same, expected = int((own == reference).sum()), told.agreement * len(own)
    if told.samples == len(own) and not told.nonfinite and abs(same - expected) > 0.5:
        received = f"{same} of {len(own)} answers of a cell that are the reference's"
        raise unreadable(path, received, f"{round(expected)} of them, as in the metrics", WRITER)
    return own


def _chosen(path: Path, images: int, classes: int) -> NDArray[np.int64]:
    """The first of the classes that a cell's file has by the size of their logits, or the largest of its logits."""
    if array_type(path, WRITER) == "int32":
        ranked = mapped_array(path, "int32", 2, WRITER)
        first = np.array(ranked[:, 0], np.int64) if ranked.shape[1] else np.full(len(ranked), classes)
        if ranked.shape[0] != images or (images and not NOT_RUN <= first.min() <= first.max() < classes):
            raise unreadable(path, f"classes {list(ranked.shape)}", f"some of {classes}, for {images} images", WRITER)
        return first
    logits = mapped_array(path, "float32", 2, WRITER)
    if logits.shape != (images, classes):
        raise unreadable(path, f"logits {list(logits.shape)}", f"[{images}, {classes}], a row an image", WRITER)
    return predictions(logits)


def times_in(path: Path) -> dict[str, NDArray[np.float64]]:
    """Raw timings by name, float64 [n]; empty where there are none. DataError for what is no time."""
    if not path.exists():
        return {}
    series = number_series(path, WRITER)
    for name, values in series.items():
        least = 0 if name == "round_load" else np.nextafter(0, 1)
        if not values.size or not np.isfinite(values).all() or values.min() < least:
            raise unreadable(path, f"{name} with what is no time", "finite times above 0", WRITER)
    missing = [name for name in TIMES if name not in series]
    if missing and tuple(series) != TIMES[:1]:
        raise unreadable(path, f"no {missing[0]}", f"{', '.join(TIMES)}, or {TIMES[0]} alone", WRITER)
    return series


def curves_in(path: Path | None) -> Rows:
    """The rows of curves.csv; none where there is no file. Any number may be NaN or infinite, but for the epoch."""
    rows = read_table(path, "train", ("epoch",))
    for row in rows:
        numbers = {name: _number(value) for name, value in row.items()}
        wrong = next((name for name, value in numbers.items() if value is None), None)
        epoch = numbers.get("epoch")
        if wrong or epoch is None or not isfinite(epoch) or epoch < 0:
            raise unreadable(_there(path), f"the row {row}", "a number in each column, epoch among them", "train")
    return rows


def noise_in(path: Path | None) -> list[Noise]:
    """The rows of noise.csv, a tensor each; none where there is no file."""
    rows = read_table(path, "calibrate", ("tensor", "kind", "sqnr_db", "low", "high"))
    for row in rows:
        if wrong := next(_noise_faults(row), None):
            raise unreadable(_there(path), f"{wrong} in the row {row}", "a tensor's noise", "calibrate")
    return [_noise(row) for row in rows]


def _noise(row: Mapping[str, str]) -> Noise:
    """Columns that a run of before lacks have the dataclass's values."""
    held = {field.name for field in fields(Noise)} & row.keys()
    return Noise(**{name: _noise_value(name, row[name]) for name in held})


def _noise_value(name: str, text: str) -> Any:
    if name in ("tensor", "kind"):
        return text
    if name.endswith("quantized"):
        return text == "True"
    return float(text) if text else None


def _noise_faults(row: Mapping[str, str]) -> Iterator[str]:
    if not row.get("tensor") or row.get("kind") not in KINDS:
        yield f"no tensor, or another kind than {' or '.join(KINDS)}"
    ratio, ends = _number(row.get("sqnr_db", "")), [_number(row.get(name, "")) for name in ("low", "high")]
    if ratio is None or isnan(ratio):
        yield "no sqnr_db"
    low, high = ends
    if low is None or high is None or not (isfinite(low) and isfinite(high) and low <= high):
        yield "no range from low to high"
    for name in row:
        if name.endswith("quantized"):
            yield from [] if row[name] in ("True", "False") else [f"no {name}"]
        elif name.startswith(("clipped", "asymmetric_")) and row[name] and _number(row[name]) is None:
            yield f"no {name}"


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _there(path: Path | None) -> Path:
    assert path is not None
    return path
