"""Accuracy lost on slices of the test set, with the error of all claims together held at 5 %.

Each cell is compared with the reference on each slice by McNemar's exact test, one-sided. Slices times cells are many
tests, so p-values are adjusted by Holm (Scand. J. Stat. 6, 1979, 65-70) over those that could at all be significant:
one whose answers hardly flip could not, whichever way they went (Tarone, Biometrics 46, 1990, 515-522). Under the null
hypothesis, that no slice of no cell loses anything, a claim is made in at most 5 % of test sets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from roundoff.measurement.accuracy import NOT_RUN
from roundoff.measurement.statistics import CONFIDENCE, paired_drop
from roundoff.results.message import Message, message
from roundoff.results.slices import CLASS, SliceLoss
from roundoff.results.verdict import Criterion, Requirements

ALPHA = 1 - CONFIDENCE
MOST_NAMED = 3
Guesses = NDArray[np.int64]


@dataclass(frozen=True)
class Slices:
    """The columns that slice a test set: by name the value of each of N images, "" for none; `labels` int64 [N].

    The classes are a column, too, by their `classes`' names.
    """

    labels: Guesses
    classes: Sequence[str]
    columns: Mapping[str, Sequence[str]]

    def masks(self) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
        """Column, value and the images of it, bool [N]; the classes first."""
        for index, name in enumerate(self.classes):
            yield CLASS, name, self.labels == index
        for column, values in self.columns.items():
            array = np.asarray(values)
            for value in sorted(set(values) - {""}):
                yield column, value, array == value


def slice_losses(slices: Slices, reference: Guesses, cells: Mapping[str, Guesses]) -> list[SliceLoss]:
    """For each cell, by name, and slice with images; guesses are int64 [N]. The largest adjusted claims come first.

    A cell that did not run all images is left out: it stopped when its answers looked good or bad.
    """
    whole = {name: guesses for name, guesses in cells.items() if not (guesses == NOT_RUN).any()}
    was = reference == slices.labels
    found = [
        _counted(name, column, value, was[mask], (guesses == slices.labels)[mask])
        for column, value, mask in slices.masks()
        if mask.any()
        for name, guesses in whole.items()
    ]
    adjusted = holm([loss.p_value for loss in found], [loss.regressed + loss.corrected for loss in found])
    found = [
        replace(loss, p_holm=p, loses=p <= ALPHA) for loss, p in zip(_with_intervals(found), adjusted, strict=True)
    ]
    return sorted(found, key=lambda loss: (loss.p_holm, loss.p_value, -loss.drop))


def _counted(cell: str, column: str, value: str, was: NDArray[np.bool_], right: NDArray[np.bool_]) -> SliceLoss:
    from scipy import stats

    images, regressed, corrected = len(was), int((was & ~right).sum()), int((right & ~was).sum())
    return SliceLoss(
        cell=cell,
        column=column,
        slice=value,
        images=images,
        reference_top1=float(was.mean()),
        top1=float(right.mean()),
        drop=(regressed - corrected) / images,
        drop_low=-1.0,
        drop_high=1.0,
        regressed=regressed,
        corrected=corrected,
        p_value=float(stats.binom.sf(regressed - 1, regressed + corrected, 0.5)),
        p_holm=1.0,
        loses=False,
    )


def _with_intervals(found: Sequence[SliceLoss]) -> Iterator[SliceLoss]:
    """With intervals that hold together (Bonferroni)."""
    z = NormalDist().inv_cdf(1 - ALPHA / 2 / max(len(found), 1))
    known: dict[tuple[int, int, int], tuple[float, float]] = {}
    for loss in found:
        counts = (loss.regressed, loss.corrected, loss.images)
        if counts not in known:
            interval = paired_drop(*counts, z)
            known[counts] = (interval.low, interval.high)
        yield replace(loss, drop_low=known[counts][0], drop_high=known[counts][1])


def holm(p_values: Sequence[float], flips: Sequence[int]) -> list[float]:
    """Adjusted p-values; `flips` is how many answers each test rests on, so that 0.5^flips is the least it can be."""
    least = np.power(0.5, np.asarray(flips, dtype=np.float64))
    tests = next(k for k in range(1, len(p_values) + 2) if (least <= ALPHA / k).sum() <= k)
    able = [index for index, floor in enumerate(least) if floor <= ALPHA / tests]
    adjusted, largest = [1.0] * len(p_values), 0.0
    for place, index in enumerate(sorted(able, key=lambda index: p_values[index])):
        largest = max(largest, min(1.0, (len(able) - place) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def slice_criteria(losses: Sequence[SliceLoss], target: Requirements) -> list[Criterion]:
    """Where the target has a limit for slices: it fails where one is proven, among all, to lose more.

    `losses` are one cell's. Slices are small, so what is not proven passes.
    """
    most = target.max_slice_drop_points
    if most is None or not losses:
        return []
    worst = max(losses, key=lambda loss: loss.drop_low)
    return [
        Criterion(
            name="max_slice_drop_points",
            verdict="fail" if 100 * worst.drop_low > most else "pass",
            limit=most,
            value=100 * worst.drop,
            low=100 * worst.drop_low,
            high=100 * worst.drop_high,
            bounds="interval",
        )
    ]


def slice_warnings(losses: Sequence[SliceLoss]) -> list[Message]:
    """What a cell that passes has to say of its slices, `losses`: the worst few that lose, and how many more do."""
    lost = sorted((loss for loss in losses if loss.loses), key=lambda loss: -loss.drop)
    named = [
        message("slice_loses", column=loss.column, slice=loss.slice, points=round(100 * loss.drop, 2), p=loss.p_holm)
        for loss in lost[:MOST_NAMED]
    ]
    return [*named, message("slices_more", count=len(lost) - MOST_NAMED)] if len(lost) > MOST_NAMED else named
