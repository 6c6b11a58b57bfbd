"""Stopping the test set early: as soon as the images seen so far decide whether a cell keeps the accuracy asked for.

Two looks share the 2.5 % on either side that the verdict may err by. While images come in, a bettor who may look at any
time has 1 % (`anytime`); the whole test set, where it comes to that, has 1.5 %, so its intervals are ±2.17 standard
errors wide, not ±1.96 (as Haybittle, Brit. J. Radiol. 44, 1971, 793, spends little on the looks before the last).
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from roundoff.dataset.base import Labels
from roundoff.measurement.accuracy import (
    Logits,
    accuracy,
    accuracy_when_stopped,
    beats_chance,
    paired_counts,
    predictions,
)
from roundoff.measurement.anytime import Paired, keeps, share_sequence
from roundoff.results.cell import Accuracy

ALPHA_EARLY = 0.01
ALPHA_WHOLE = 0.015
Z_WHOLE = NormalDist().inv_cdf(1 - ALPHA_WHOLE)
FEWEST_IMAGES = 256


@dataclass(frozen=True)
class EarlyStop:
    """When a cell's test set is enough: `share` of the accuracy of `reference` (logits float32 [N, classes]) to keep.

    `order` is the random order that images come in, int64 [N]: of a test set sorted by class the first images say
    nothing of the others. A cell that passes must also be above chance by `margin`.
    """

    share: float
    order: NDArray[np.int64]
    labels: Labels
    reference: Logits
    chance: float
    margin: float

    @classmethod
    def of(cls, share: float, seed: int, labels: Labels, reference: Logits, chance: float, margin: float) -> EarlyStop:
        """With an order drawn by the seed."""
        order = np.random.default_rng((seed, 19)).permutation(len(labels))
        return cls(share, order, labels, reference, chance, margin)

    def counts(self, logits: Logits, rows: NDArray[np.int64]) -> Paired:
        """What the cell's logits float32 [n, classes] of the images `rows`, int64 [n], add."""
        return paired_counts(predictions(logits), predictions(self.reference[rows]), self.labels[rows])

    def decided(self, seen: Paired) -> bool:
        """Whether the images seen decide; all of them are a fixed number, and decide nothing early."""
        if not FEWEST_IMAGES <= seen.samples < len(self.labels):
            return False
        kept = keeps(seen, self.share, ALPHA_EARLY)
        if not kept:
            return kept is not None
        top1 = share_sequence(seen.correct, seen.samples, ALPHA_EARLY)
        return beats_chance(top1.low, self.chance, self.margin)

    def kept(self, accuracy: Accuracy) -> bool:
        """Whether a cell of that accuracy passes for certain."""
        low = accuracy.relative_accuracy_low
        return low is not None and low >= self.share and beats_chance(accuracy.top1_low, self.chance, self.margin)

    def accuracy(self, logits: Logits, rows: NDArray[np.int64] | None) -> Accuracy:
        """The accuracy of a cell that may have stopped early, with intervals that allow for it.

        `logits` are of all images; `rows`, int64 [n], are those that it answered before it stopped, None where all.
        """
        if rows is None:
            return accuracy(logits, self.labels, self.reference, Z_WHOLE)
        return accuracy_when_stopped(
            logits[rows], self.labels[rows], self.reference[rows], len(self.labels), ALPHA_EARLY
        )
