"""The range with the smallest mean squared quantization error, on each kind of grid for itself.

A symmetric grid spends its codes on [-T, T], so one number is looked for. A grid that is fitted to both ends of the
range has two, and each side is clipped apart: what a long tail on one side costs is no reason to cut the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from roundoff.calibration.base import Calibrator, Choice, Ends, require_candidates
from roundoff.calibration.observing.grid_error import Floats, GridError, too_small
from roundoff.calibration.observing.histogram import Histogram

SMALLEST = 1 / 2048
"""The smallest share of the extreme that is tried: about a bin's width."""
FINER = (1 / 16, 1 / 256)
"""Shares by which the best candidate so far is varied: a spike's error changes with every percent of the range."""
ROUNDS = 2
"""How often each end is looked for anew with the other one's best."""
GAIN = 0.995
"""Nothing is clipped unless the error falls to this share: what was seen is not all that there is."""

Loss = Callable[[Floats], Floats]


@dataclass(frozen=True)
class MeanSquaredError(Calibrator):
    """Clips where rounding and clipping errors together are smallest, among `candidates` for each end.

    It looks at the held-out images as well: a tail is made of few values, and more images know more of it.
    """

    name: ClassVar[str] = "mse"
    compares_held_out: ClassVar[bool] = True

    candidates: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        require_candidates(self.candidates)

    def threshold(self, seen: Histogram) -> float:
        """The best of `candidates` from the largest magnitude down to a 2,048th of it, and of closer ones around it.

        The largest magnitude itself unless clipping gains something.
        """
        if too_small(seen):
            return seen.peak
        loss = GridError(seen).symmetric
        best = _finer(loss, _least(loss, seen.peak * self._shares()), seen.peak)
        return seen.peak if _no_gain(loss(np.array([seen.peak, best]))) else best

    def choose(self, seen: Histogram, held_out: Histogram) -> tuple[float, str]:
        """The threshold by all images."""
        return self.threshold(seen.merged(held_out)), self.name

    def ends(self, seen: Histogram, held_out: Histogram) -> tuple[Ends, str]:
        """The best ends by all images for a grid that is fitted to them, each clipped apart, as far as that gains."""
        return self._ends(seen.merged(held_out)), self.name

    def choices(self, seen: Histogram, held_out: Histogram) -> tuple[Choice, Choice]:
        """Both, within the extremes of all images."""
        both = seen.merged(held_out)
        threshold, ends = self.threshold(both), self._ends(both)
        return (
            Choice(*both.cut(threshold), self.name, both.clipped(threshold)),
            Choice(*ends, self.name, both.outside(*ends)),
        )

    def _ends(self, seen: Histogram) -> Ends:
        whole = seen.low, seen.high
        if too_small(seen):
            return whole
        error = GridError(seen).asymmetric
        full = min(seen.low, 0.0), max(seen.high, 0.0)
        best = self._descended(error, full)
        if _no_gain(error(*np.array([full, best]).T)):
            return whole
        return max(best[0], seen.low), min(best[1], seen.high)

    def _descended(self, error: Callable[[Floats, Floats], Floats], full: Ends) -> Ends:
        """The best ends within the `full` range that are found by cutting both alike, then moving one at a time."""
        cuts = max(-full[0], full[1]) * self._shares()
        lows, highs = np.maximum(-cuts, full[0]), np.minimum(cuts, full[1])
        best = int(np.argmin(error(lows, highs)))
        low, high = float(lows[best]), float(highs[best])

        def of_high(tried: Floats) -> Floats:
            return error(np.full(len(tried), low), tried)

        def of_low(tried: Floats) -> Floats:
            return error(-tried, np.full(len(tried), high))

        for _ in range(ROUNDS if full[0] < 0 < full[1] else 1):
            if full[1] > 0:
                high = _finer(of_high, _least(of_high, np.append(high, full[1] * self._shares(4))), full[1])
            if full[0] < 0:
                low = -_finer(of_low, _least(of_low, np.append(-low, -full[0] * self._shares(4))), -full[0])
        return low, high

    def _shares(self, every: int = 1) -> Floats:
        """Half of the candidates from all of the extreme to half of it, where most tensors want it; half below."""
        upper = np.linspace(1, 0.5, self.candidates // 2, endpoint=False)
        lower = np.geomspace(0.5, SMALLEST, self.candidates - len(upper))
        return np.concatenate([upper, lower])[::every]


def squared_error(seen: Histogram, threshold: float) -> float:
    """Summed squared error of int8 rounding with scale threshold / 127 over the counted values."""
    if not threshold:
        return 0.0 if not seen.peak else float("inf")
    return float(GridError(seen).symmetric(np.array([threshold]))[0])


def ends_error(seen: Histogram, ends: Ends) -> float:
    """Summed squared error of a grid of 256 codes that is fitted to both ends, over the counted values."""
    if ends[0] == ends[1] == 0:
        return 0.0 if not seen.peak else float("inf")
    return float(GridError(seen).asymmetric(*np.array([ends]).T)[0])


def _least(loss: Loss, tried: Floats) -> float:
    return float(tried[int(np.argmin(loss(tried)))])


def _finer(loss: Loss, best: float, largest: float) -> float:
    """The best magnitude near `best`, at most `largest`."""
    for share in FINER:
        best = _least(loss, np.minimum(best * np.append(1, np.linspace(1 - share, 1 + share, 32)), largest))
    return best


def _no_gain(losses: Floats) -> bool:
    """Whether the second loss is hardly below the first."""
    return bool(losses[1] >= GAIN * losses[0])
