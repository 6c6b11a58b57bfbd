"""The threshold whose 8-bit histogram tells most of the original: Kullback-Leibler divergence, done with care.

After Migacz, "8-bit Inference with TensorRT" (GTC 2017), with four changes that matter:
exact zeros, half of a ReLU's outputs, are left out, since every scale represents them without error; so is the peak
where nothing is clipped, and its bin is a level of its own: a ReLU6 piles thousands of values up there, which would
count as a spike that rounding smears; levels are the intervals that round to one code, half a step wide at zero; and
every divergence is computed from prefix sums over the levels, so that hundreds of candidates cost as much as one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from roundoff.calibration.base import Calibrator, Choice, Ends, Fallback, require_candidates
from roundoff.calibration.mse import MeanSquaredError
from roundoff.calibration.observing.grid_error import Floats, GridError, too_small
from roundoff.calibration.observing.histogram import Counts, Histogram

LEVELS = 128
"""Codes 0 to 127 on each side of int8's symmetric grid."""
FALLBACK_RATIO = 2.0
"""A squared error so many times that of the best range is another range's business."""
MANY = 10_000
"""Values other than 0 beside which a single one may be given up."""
SAFE = MeanSquaredError()


@dataclass(frozen=True)
class Entropy(Calibrator):
    """Clips where the divergence is smallest among `candidates` thresholds."""

    name: ClassVar[str] = "entropy"

    candidates: int = 512

    def __post_init__(self) -> None:
        super().__post_init__()
        require_candidates(self.candidates)

    def threshold(self, seen: Histogram) -> float:
        """The candidate with the smallest divergence, or the one with the smallest squared error where that is far off.

        The divergence looks at how often each code is used, not at how far off it is: a spike that is not at zero, such
        as a black background or what BatchNorm makes of a ReLU's zeros, is told best by clipping all that lies beyond.
        """
        return self._checked(seen, self._by_divergence(seen))[0]

    def choose(self, seen: Histogram, held_out: Histogram) -> tuple[float, str]:
        """The threshold, and the name of the method that was fallen back to if there was need."""
        threshold, fallback = self._checked(seen, self._by_divergence(seen))
        return threshold, _method(fallback)

    def ends(self, seen: Histogram, held_out: Histogram) -> tuple[Ends, str]:
        """The threshold on both sides, or another method's ends, by what each errs on a grid that is fitted to them."""
        ends, fallback = self._checked_ends(seen, self._by_divergence(seen))
        return ends, _method(fallback)

    def choices(self, seen: Histogram, held_out: Histogram) -> tuple[Choice, Choice]:
        """As every method's, with what is to be told of a fallback."""
        told = self._by_divergence(seen)
        threshold, fallback = self._checked(seen, told)
        ends, of_ends = self._checked_ends(seen, told)
        return (
            Choice(*seen.cut(threshold), _method(fallback), seen.clipped(threshold), fallback),
            Choice(*ends, _method(of_ends), seen.outside(*ends), of_ends),
        )

    def _checked(self, seen: Histogram, told: float) -> tuple[float, Fallback | None]:
        least = SAFE.threshold(seen)
        fallback = _fallback(seen, lambda error: error.symmetric(np.array([told, least])))
        return (least if fallback else told), fallback

    def _checked_ends(self, seen: Histogram, threshold: float) -> tuple[Ends, Fallback | None]:
        told, least = seen.cut(threshold), SAFE.ends(seen, seen)[0]
        fallback = _fallback(seen, lambda error: error.asymmetric(*np.array([told, least]).T))
        return (least if fallback else told), fallback

    def _by_divergence(self, seen: Histogram) -> float:
        """The candidate with the smallest divergence; the largest of equals, so that nothing is clipped for free.

        The smallest candidate is LEVELS bins, a sixteenth of the peak at most.
        """
        counts = seen.magnitudes()
        if len(counts) <= LEVELS:
            return seen.peak
        ends = np.linspace(LEVELS, len(counts), self.candidates).round().astype(np.int64)
        ends = ends[np.diff(ends, prepend=0) > 0]
        losses = divergences(counts, ends)
        best = int(ends[len(ends) - 1 - int(np.argmin(losses[::-1]))])
        return min(best * seen.width, seen.peak)


def _fallback(seen: Histogram, errors: Callable[[GridError], Floats]) -> Fallback | None:
    """What is told of the fallback where the first of two errors is more than FALLBACK_RATIO times the second.

    The largest of MANY values is left out of it: clipping a single far outlier is what the divergence is good at.
    """
    if too_small(seen):
        return None
    told, least = errors(GridError(seen, but_one=seen.total - seen.zeros >= MANY))
    if told <= FALLBACK_RATIO * least:
        return None
    whole = GridError(seen)
    told, least = errors(whole) / whole.power
    return Fallback(Entropy.name, float(told), SAFE.name, float(least))


def _method(fallback: Fallback | None) -> str:
    return fallback.best if fallback else Entropy.name


def divergences(counts: Counts, ends: Counts) -> NDArray[np.float64]:
    """KL(P || Q) in nats for clipping after each of `ends` bins, int64 [k], of the histogram `counts`, int64 [n].

    P is the clipped histogram with the outliers in its last bin; Q spreads each level's mass evenly over the bins of
    that level that are not empty. Without clipping the last bin is a level. Infinite where the last level holds nothing
    but outliers, and where all that is kept lies in the last level of a clipped histogram: one level describes itself
    exactly, however much was thrown away.
    """
    mass = _prefix(counts)
    occupied = _prefix(counts > 0)
    information = _prefix(_xlogy(counts, counts))
    edges = _edges(ends, len(counts))
    level = np.diff(mass[edges], axis=1)
    bins = np.diff(occupied[edges], axis=1)
    last, inside, whole = counts[ends - 1], mass[ends], mass[-1]
    outliers = whole - inside
    bins[:, -2] += (last == 0) & (outliers > 0)
    target = level.astype(np.float64)
    target[:, -2] += outliers
    clipped = information[ends] - _xlogy(last, last) + _xlogy(last + outliers, last + outliers)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.where(bins > 0, level / (np.maximum(bins, 1) * inside[:, None]), 1.0)
        explained = _xlogy(target, spread).sum(axis=1)
        loss = (clipped - explained) / whole - np.log(whole)
    nothing_told = (mass[edges[:, -3]] == 0) & (outliers > 0)
    return np.where(np.isnan(loss) | nothing_told, np.inf, loss)


def _edges(ends: Counts, total: int) -> Counts:
    """Bin indices, int64 [k, LEVELS + 2], between which values round to one code when `ends` maps to the last code.

    The last two enclose the peak's own bin where an end is `total`, and nothing elsewhere.
    """
    # Divided last, so that an edge halfway between two bins is exactly there before it is rounded.
    inner = np.rint(ends[:, None] * (np.arange(LEVELS - 1) + 0.5) / (LEVELS - 1)).astype(np.int64)
    peak = ends - (ends == total)
    return np.concatenate([np.zeros((len(ends), 1), np.int64), inner, peak[:, None], ends[:, None]], axis=1)


def _xlogy(x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
    """x * log(y), and 0 where x is 0 and y a number: SciPy's, which takes longer to import than a network's ranges."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((x == 0) & ~np.isnan(y), 0.0, x * np.log(y))


def _prefix(values: NDArray[Any]) -> NDArray[Any]:
    total = np.cumsum(values)
    return np.concatenate([np.zeros(1, total.dtype), total])
