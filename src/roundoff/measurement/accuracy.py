"""Accuracy: top-1, the paired comparison with the reference, and the gate against models at chance level."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roundoff.dataset.base import Labels
from roundoff.errors import GateError
from roundoff.measurement.anytime import Paired, drop_sequence, relative_sequence, share_sequence
from roundoff.measurement.logits_file import blocks
from roundoff.measurement.statistics import Interval, Z, mcnemar_exact, paired_drop, paired_kept, wilson_at
from roundoff.results.cell import Accuracy

Logits = NDArray[np.float32]
NOT_RUN = -2


def accuracy(logits: Logits, labels: Labels, reference: Logits | None, z: float = Z) -> Accuracy:
    """Of logits float32 [N, classes] and labels int64 [N]; `reference` as `logits`; intervals at ±z."""
    predicted = predictions(logits)
    correct = predicted == labels
    top1 = wilson_at(int(correct.sum()) / len(labels), len(labels), z)
    alone = Accuracy(
        top1=top1.value,
        top1_low=top1.low,
        top1_high=top1.high,
        samples=len(labels),
        correct=int(correct.sum()),
        nonfinite=int((predicted < 0).sum()),
    )
    return alone if reference is None else _compared(alone, predicted, predictions(reference), labels, z)


def predictions(logits: Logits) -> NDArray[np.int64]:
    """The class of each row's largest logit; -1 where a logit is not finite, NOT_RUN where none is a number."""
    chosen = np.empty(len(logits), np.int64)
    for first, last in blocks(len(logits), logits.shape[1]):
        part = logits[first:last]
        finite, run = np.isfinite(part).all(axis=1), ~np.isnan(part).all(axis=1)
        chosen[first:last] = np.where(finite, np.argmax(part, axis=1), np.where(run, -1, NOT_RUN))
    return chosen


def top_classes(logits: Logits, most: int) -> NDArray[np.int32]:
    """The classes of each row's largest logits, at most so many, int32 [N, k], the largest first: `predictions`.

    In a row that has no class by that, all are what it says.
    """
    best, falling = predictions(logits), -logits
    some = np.argpartition(falling, min(most, falling.shape[1]) - 1, axis=1)[:, :most]
    some.sort(axis=1)  # of equal ones the first class comes first, as for `predictions`
    places = np.argsort(np.take_along_axis(falling, some, axis=1), axis=1, kind="stable")
    order = np.take_along_axis(some, places, axis=1)
    cut = np.flatnonzero((order[:, 0] != best) & (best >= 0))  # more are equal than fit
    order[cut] = np.argsort(falling[cut], axis=1, kind="stable")[:, :most]
    order[best < 0] = best[best < 0, None]
    return order.astype(np.int32)


def accuracy_when_stopped(logits: Logits, labels: Labels, reference: Logits, available: int, alpha: float) -> Accuracy:
    """The same of the images that a cell answered before it stopped, of the `available` ones.

    Its intervals miss either end with probability `alpha` at most, whenever it stopped. There is no p-value then.
    """
    predicted, was = predictions(logits), predictions(reference)
    seen = paired_counts(predicted, was, labels)
    return _with_intervals(
        Accuracy(
            top1=seen.correct / seen.samples,
            top1_low=0,
            top1_high=1,
            samples=seen.samples,
            correct=seen.correct,
            nonfinite=int((predicted < 0).sum()),
            regressed=seen.regressed,
            corrected=seen.corrected,
            available=available,
        ),
        top1=share_sequence(seen.correct, seen.samples, alpha),
        agreement=share_sequence(seen.agreed, seen.samples, alpha),
        drop=drop_sequence(seen, alpha),
        relative_accuracy=relative_sequence(seen, alpha),
    )


def paired_counts(predicted: NDArray[np.int64], reference: NDArray[np.int64], labels: Labels) -> Paired:
    """How often candidate and reference, int64 [N], are right, and agree."""
    correct, was_correct = predicted == labels, reference == labels
    return Paired(
        both=int((correct & was_correct).sum()),
        regressed=int((was_correct & ~correct).sum()),
        corrected=int((correct & ~was_correct).sum()),
        agreed=int(((predicted == reference) & (predicted >= 0)).sum()),
        samples=len(labels),
    )


def _compared(
    alone: Accuracy, predicted: NDArray[np.int64], reference: NDArray[np.int64], labels: Labels, z: float
) -> Accuracy:
    seen = paired_counts(predicted, reference, labels)
    return _with_intervals(
        replace(
            alone,
            mcnemar_p=mcnemar_exact(seen.regressed, seen.corrected),
            regressed=seen.regressed,
            corrected=seen.corrected,
        ),
        agreement=wilson_at(seen.agreed / seen.samples, seen.samples, z),
        drop=paired_drop(seen.regressed, seen.corrected, seen.samples, z),
        relative_accuracy=paired_kept(seen.both, seen.regressed, seen.corrected, seen.samples, z),
    )


def _with_intervals(found: Accuracy, **figures: Interval | None) -> Accuracy:
    """With each figure and its two ends; a figure that there is not stays None."""
    known = {name: figure for name, figure in figures.items() if figure is not None}
    ends: Any = {
        f"{name}{end}": value
        for name, figure in known.items()
        for end, value in (("", figure.value), ("_low", figure.low), ("_high", figure.high))
    }
    return replace(found, **ends)


def chance_level(labels: Labels, classes: int) -> float:
    """Accuracy of the best constant answer: 1 ÷ classes, or the largest class's share if that is more."""
    return max(1 / classes, float(np.bincount(labels, minlength=classes).max()) / len(labels))


def without_loss(accuracy: Accuracy) -> bool:
    """Whether the interval of the drop from the reference's accuracy does not show a loss."""
    return accuracy.drop_low is not None and accuracy.drop_low <= 0


def beats_chance(top1_low: float, chance: float, margin: float) -> bool:
    """Whether the lower bound of an accuracy lies above chance by `margin`, a share of the way from chance to 1."""
    return top1_low > least_accuracy(chance, margin)


def least_accuracy(chance: float, margin: float) -> float:
    """What an accuracy has to lie above, to be clearly above chance."""
    return chance + margin * (1 - chance)


def refuse_chance_level(cell: str, measured: Accuracy, chance: float, margin: float) -> None:
    """Raise GateError unless the accuracy is clearly above chance."""
    if beats_chance(measured.top1_low, chance, margin):
        return
    raise GateError(
        f"{cell} answers no better than chance, so no precision can be judged by it: any other precision of this model "
        "would show 'no degradation' too",
        received=f"{measured.correct} of {measured.samples} right, top-1 {measured.top1:.4f} "
        f"(95 % interval {measured.top1_low:.4f} to {measured.top1_high:.4f})",
        expected=f"a lower bound above {least_accuracy(chance, margin):.4f} (chance is {chance:.4f})",
        fix="check that the model is trained, that it is fed as it was in training (model.scale, mean, std), and that "
        "its answers come in the order of the dataset's classes (model.classes); test on more images; "
        "a task that is truly this hard needs a smaller evaluate.chance_margin",
    )
