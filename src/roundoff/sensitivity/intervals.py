"""Intervals over images: errors by the bootstrap, places in the ranking by pairwise tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roundoff.measurement.statistics import CONFIDENCE, Interval
from roundoff.sensitivity.answers import Squares

RESAMPLES = 1000
LEVEL = 1 - CONFIDENCE


def resampled(count: int, seed: int) -> NDArray[np.float64]:
    """How often each of `count` images is drawn, [RESAMPLES, count]; every row sums up to `count`."""
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    return draws.astype(np.float64)


def error_intervals(squares: Squares, scale: Squares, draws: NDArray[np.float64]) -> list[Interval]:
    """√(Σ squares ÷ Σ scale) over the images with its percentile interval; squares [n, versions], scale [n]."""
    values = np.sqrt(squares.sum(axis=0) / scale.sum())
    found = np.sqrt((draws @ squares) / (draws @ scale)[:, None])
    low, high = np.quantile(found, [LEVEL / 2, 1 - LEVEL / 2], axis=0)
    return [Interval(*map(float, each)) for each in zip(values, low, high, strict=True)]


@dataclass(frozen=True)
class Rank:
    """A place in the ranking, 1 the largest, and the places that the images leave possible, all at once with 95 %."""

    place: int
    low: int
    high: int


def ranks(squares: Squares) -> list[Rank]:
    """Of each version by its mean square, [n, versions].

    Two versions are told apart by a paired t-test over the images, all pairs together by Holm's procedure (Scand. J.
    Stat. 6, 1979): the chance that any two are told apart wrongly is at most 5 %. A place's ends count the versions
    that are clearly worse and clearly better (Mogstad et al., Rev. Econ. Stud. 91, 2024).
    """
    worse = clearly_larger(squares)
    order = np.argsort(-squares.mean(axis=0), kind="stable")
    places = {int(index): place for place, index in enumerate(order, 1)}
    count = squares.shape[1]
    beaten_by, beats = worse.sum(axis=0), worse.sum(axis=1)
    return [Rank(places[i], int(beaten_by[i]) + 1, count - int(beats[i])) for i in range(count)]


def clearly_larger(squares: Squares) -> NDArray[np.bool_]:
    """Whether the mean of the version of a row is clearly above that of the version of a column."""
    count = squares.shape[1]
    means, chances = np.zeros((count, count)), np.ones((count, count))
    for row in range(count - 1):
        differences = squares[:, row, None] - squares[:, row + 1 :]
        means[row, row + 1 :] = differences.mean(axis=0)
        chances[row, row + 1 :] = _paired(differences)
    apart = holm(chances[np.triu_indices(count, 1)])
    worse = np.zeros((count, count), dtype=np.bool_)
    worse[np.triu_indices(count, 1)] = apart
    return np.asarray((worse & (means > 0)) | (worse & (means < 0)).T)


def holm(chances: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which hypotheses fall at 5 % for all of them together, by their p-values."""
    order = np.argsort(chances)
    holds = chances[order] <= LEVEL / np.arange(len(chances), 0, -1)
    fallen = np.zeros(len(chances), dtype=np.bool_)
    fallen[order] = np.logical_and.accumulate(holds)
    return fallen


def _paired(differences: Squares) -> NDArray[np.float64]:
    """Two-sided p-values of Student's t-test of mean 0, for each column."""
    from scipy.special import stdtr

    count = len(differences)
    spread = differences.std(axis=0, ddof=1) / np.sqrt(count)
    means = np.abs(differences.mean(axis=0))
    statistic = np.divide(means, spread, out=np.where(means > 0, np.inf, 0.0), where=spread > 0)
    return np.asarray(2 * stdtr(count - 1, -statistic))
