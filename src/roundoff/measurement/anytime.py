"""Intervals that hold whenever one stops to look: confidence sequences, by betting.

A fixed-sample 95 % interval that is looked at again and again leaves the truth out far more often than in 5 %. A bettor
against a hypothesis, whose wealth can only shrink on average while it is true, exceeds 1/α at any time with
probability α at most (Ville, 1939). What he could not refute is the interval.

Bounded scores (Waudby-Smith and Ramdas, JRSSB 86, 2024, 1-27): wealth is the product of 1 + λ (score − mean); the mean
over a fixed grid of bets λ is a bettor, too (Robbins' mixture). It depends on the counts of the scores alone.
Medians (Howard and Ramdas, Bernoulli 28, 2022, 1704-1728): below the median lies each value with probability 1/2;
against that the bettor holds a Beta(a, a) mixture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from roundoff.measurement.statistics import CONFIDENCE, Interval, Values

BETS = 0.98 * np.arange(1, 21) / 20
"""Shares of the largest bet that cannot lose all: even, since few flips want large bets, and those decide early."""
MIXTURE = 1.0  # a of the Beta(a, a), flat: from eight values on there is an interval
FEWEST_FOR_SEQUENCE = 8
STEP = 1e-9


@dataclass(frozen=True)
class Paired:
    """How many images reference and candidate have right: both, the reference alone, the candidate alone; of how many.

    `agreed` is how many answers were the same, right or wrong.
    """

    both: int
    regressed: int
    corrected: int
    agreed: int
    samples: int

    def __add__(self, other: Paired) -> Paired:
        """Both together."""
        return Paired(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @property
    def correct(self) -> int:
        """Right answers of the candidate."""
        return self.both + self.corrected

    @property
    def reference(self) -> int:
        """Right answers of the reference."""
        return self.both + self.regressed


def keeps(seen: Paired, ratio: float, alpha: float) -> bool | None:
    """Whether the candidate keeps `ratio` of the reference's accuracy; None while the images do not tell.

    What `relative_sequence` says, without looking for its ends.
    """
    limit, counts = math.log(1 / alpha), (seen.both, seen.regressed, seen.corrected)
    scores = (1 - ratio, -ratio, 1.0)
    if log_wealth(scores, counts) >= limit:
        return True
    return False if log_wealth([-score for score in scores], counts) >= limit else None


def relative_sequence(seen: Paired, alpha: float) -> Interval | None:
    """The candidate's accuracy over the reference's; each end is missed with probability `alpha` at most, ever.

    At a ratio r the scores are [right] − r [reference right], of mean 0. The lower end is 1.02 at most. None where the
    reference was never right.
    """
    if not seen.reference:
        return None
    counts = (seen.both, seen.regressed, seen.corrected)

    def above(ratio: float) -> float:
        return log_wealth((1 - ratio, -ratio, 1.0), counts)

    def below(ratio: float) -> float:
        return log_wealth((ratio - 1, ratio, -1.0), counts)

    value = seen.correct / seen.reference
    low = _end(above, 0.0, min(value, 1.02), alpha)
    high = _end(below, max(10.0, 10 * value), value, alpha)
    return Interval(value, low, high)


def drop_sequence(seen: Paired, alpha: float) -> Interval:
    """Accuracy lost to the reference, as a share; see `relative_sequence`."""
    counts = (seen.regressed, seen.corrected, seen.samples - seen.regressed - seen.corrected)

    def above(drop: float) -> float:
        return log_wealth((1 - drop, -1 - drop, -drop), counts, 0.5)

    def below(drop: float) -> float:
        return log_wealth((drop - 1, 1 + drop, drop), counts, 0.5)

    value = (seen.regressed - seen.corrected) / seen.samples
    return Interval(value, _end(above, -1.0, value, alpha), _end(below, 1.0, value, alpha))


def share_sequence(successes: int, trials: int, alpha: float) -> Interval:
    """A share; see `relative_sequence`."""
    counts = (successes, trials - successes)

    def above(share: float) -> float:
        return log_wealth((1 - share, -share), counts)

    def below(share: float) -> float:
        return log_wealth((share - 1, share), counts)

    value = successes / trials
    return Interval(value, _end(above, 0.0, value, alpha), _end(below, 1.0, value, alpha))


def log_wealth(scores: Sequence[float], counts: Sequence[int], largest: float = 1.0) -> float:
    """The logarithm of what bets on a mean above 0 came to; no score lies below −1/`largest` by more than 2 %.

    `counts` is how often each of the `scores` was seen.
    """
    bets = BETS * largest
    gains = np.log1p(np.outer(bets, scores)) @ np.asarray(counts, dtype=np.float64)
    top = float(gains.max())
    return top + math.log(float(np.exp(gains - top).mean()))


def _end(wealth: Callable[[float], float], outer: float, inner: float, alpha: float) -> float:
    """Where between the extreme and the estimate the wealth is 1/α; the extreme where it is nowhere as much."""
    from scipy import optimize

    limit = math.log(1 / alpha)
    if wealth(outer) <= limit:
        return outer
    if wealth(inner) >= limit:
        return inner
    return float(optimize.brentq(lambda at: wealth(at) - limit, outer, inner, xtol=STEP))


def median_sequence(values: Values) -> Interval | None:
    """A median with an interval that holds at 95 % whenever one stops; None for fewer than eight values."""
    ranks = sequence_ranks(len(values))
    if ranks is None:
        return None
    ordered: NDArray[np.float64] = np.sort(values)
    return Interval(float(np.median(ordered)), float(ordered[ranks[0] - 1]), float(ordered[ranks[1] - 1]))


@lru_cache(maxsize=4096)
def sequence_ranks(count: int) -> tuple[int, int] | None:
    """Ranks (from 1) of the order statistics that a median has not been refuted to lie between; None: no such pair."""
    limit = math.log(1 / (1 - CONFIDENCE))
    refuted = [below for below in range(count // 2 + 1) if _log_evidence(below, count) >= limit]
    return (max(refuted) + 1, count - max(refuted)) if refuted else None


def _log_evidence(below: int, count: int) -> float:
    """Against a fair coin, of `below` heads in `count`: log of 2^n B(a + k, a + n − k) / B(a, a)."""
    return count * math.log(2) + _log_beta(MIXTURE + below, MIXTURE + count - below) - _log_beta(MIXTURE, MIXTURE)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
