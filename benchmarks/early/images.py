"""Simulated test sets that end as soon as they decide."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from roundoff.measurement.accuracy import accuracy, accuracy_when_stopped
from roundoff.measurement.answered import CHUNK
from roundoff.measurement.anytime import Paired
from roundoff.measurement.stopping import ALPHA_EARLY, Z_WHOLE, EarlyStop
from roundoff.results.cell import Accuracy

SAMPLES, RIGHT, KEEP = 10_000, 0.92, 0.99
FLIPS = (0.01, 0.02, 0.05)
LOSSES = {"none": 0.0, "at the target": RIGHT * (1 - KEEP), "two points": 0.02}
CLASSES = np.eye(2, dtype=np.float32)


def images(sets: int) -> list[dict[str, Any]]:
    """For each share of flips and each loss: what so many test sets decided, and how many images that took."""
    return [_row(flips, name, sets) for flips in FLIPS for name in LOSSES if LOSSES[name] <= flips]


def _row(flips: float, name: str, sets: int) -> dict[str, Any]:
    loss, random = LOSSES[name], np.random.default_rng((round(1000 * flips), len(name)))
    found = [_stopped(_kinds(flips, loss, random)) for _ in range(sets)]
    low = np.array([one.relative_accuracy_low for one in found])
    high = np.array([one.relative_accuracy_high for one in found])
    return {
        "flips": flips,
        "loss": name,
        "sets": sets,
        "pass": float(np.mean(low >= KEEP)),
        "fail": float(np.mean(high < KEEP)),
        "covers": float(np.mean([_holds(one, loss) for one in found])),
        "stopped_early": float(np.mean([one.stopped_early for one in found])),
        "median_images": float(np.median([one.samples for one in found])),
        "images_saved": float(np.mean([1 - one.samples / SAMPLES for one in found])),
    }


def _holds(found: Accuracy, loss: float) -> bool:
    assert found.drop_low is not None
    assert found.drop_high is not None
    return found.drop_low <= loss <= found.drop_high


def _kinds(flips: float, loss: float, random: np.random.Generator) -> NDArray[np.int64]:
    """Of each image: 0 both are right, 1 FP32 alone, 2 the cell alone, 3 neither."""
    regressed, corrected = (flips + loss) / 2, (flips - loss) / 2
    return random.choice(4, SAMPLES, p=[RIGHT - regressed, regressed, corrected, 1 - RIGHT - corrected])


def _stopped(kinds: NDArray[np.int64]) -> Accuracy:
    """The accuracy of a cell that stops by the product's rule; class 0 is right."""
    reference, cell = CLASSES[(kinds >= 2).astype(int)], CLASSES[(kinds % 2).astype(int)]
    labels = np.zeros(SAMPLES, np.int64)
    stop = EarlyStop(KEEP, np.arange(SAMPLES), labels, reference, 0.5, 0.05)
    counts = np.array([np.bincount(kinds[at : at + CHUNK], minlength=4) for at in range(0, SAMPLES, CHUNK)])
    for looks, (both, regressed, corrected, neither) in enumerate(counts.cumsum(axis=0).tolist(), 1):
        seen = Paired(both, regressed, corrected, both + neither, both + regressed + corrected + neither)
        if stop.decided(seen):
            rows = slice(0, looks * CHUNK)
            return accuracy_when_stopped(cell[rows], labels[rows], reference[rows], SAMPLES, ALPHA_EARLY)
    return accuracy(cell, labels, reference, Z_WHOLE)
