"""Accuracy: top-1, the paired comparison with the reference, and the gate against models at chance level."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from roundoff.dataset.base import Labels
from roundoff.errors import GateError
from roundoff.measurement.statistics import mcnemar_exact, paired_drop, paired_kept, wilson
from roundoff.results.cell import Accuracy

Logits = NDArray[np.float32]


def accuracy(logits: Logits, labels: Labels, reference: Logits | None) -> Accuracy:
    """Of logits float32 [N, classes] and labels int64 [N]; `reference` as `logits`."""
    predicted = predictions(logits)
    correct = predicted == labels
    top1 = wilson(int(correct.sum()), len(labels))
    alone = Accuracy(
        top1=top1.value,
        top1_low=top1.low,
        top1_high=top1.high,
        samples=len(labels),
        correct=int(correct.sum()),
        nonfinite=int((predicted < 0).sum()),
    )
    return alone if reference is None else _compared(alone, predicted, predictions(reference), labels)


def predictions(logits: Logits) -> NDArray[np.int64]:
    """The class of each row's largest logit; -1 where a logit is not finite."""
    finite = np.isfinite(logits).all(axis=1)
    return np.where(finite, np.argmax(logits, axis=1), -1).astype(np.int64)


def _compared(alone: Accuracy, predicted: NDArray[np.int64], reference: NDArray[np.int64], labels: Labels) -> Accuracy:
    correct, was_correct = predicted == labels, reference == labels
    regressed, corrected = int((was_correct & ~correct).sum()), int((correct & ~was_correct).sum())
    agreement = wilson(int(((predicted == reference) & (predicted >= 0)).sum()), len(labels))
    drop = paired_drop(regressed, corrected, len(labels))
    kept = paired_kept(int((correct & was_correct).sum()), regressed, corrected, len(labels))
    return replace(
        alone,
        agreement=agreement.value,
        agreement_low=agreement.low,
        agreement_high=agreement.high,
        drop=drop.value,
        drop_low=drop.low,
        drop_high=drop.high,
        relative_accuracy=kept.value if kept else None,
        relative_accuracy_low=kept.low if kept else None,
        relative_accuracy_high=kept.high if kept else None,
        mcnemar_p=mcnemar_exact(regressed, corrected),
        regressed=regressed,
        corrected=corrected,
    )


def chance_level(labels: Labels, classes: int) -> float:
    """Accuracy of the best constant answer: 1 ÷ classes, or the largest class's share if that is more."""
    return max(1 / classes, float(np.bincount(labels, minlength=classes).max()) / len(labels))


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
