"""Intervals and tests for proportions, paired proportions and medians; 95 % and two-sided unless said otherwise.

Counts of a paired comparison: of n samples, `both` are right under the reference and the candidate, `regressed` under
the reference only, `corrected` under the candidate only. They may be fractional, for asking what n samples would show.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
Z = 1.959963984540054  # the standard normal distribution's 97.5 % point; SciPy is imported where it is used
Z_POWER_80 = Z + 0.8416212335729143  # and its 80 % point
FEWEST_FOR_MEDIAN_INTERVAL = 6
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """An estimate and its interval [low, high], in the estimate's unit."""

    value: float
    low: float
    high: float

    def excludes(self, value: float) -> bool:
        """Whether `value` lies outside [low, high]."""
        return not self.low <= value <= self.high


def wilson(successes: int, trials: int) -> Interval:
    """A proportion with Wilson's score interval (JASA 22, 1927)."""
    return wilson_at(successes / trials, trials)


def wilson_at(share: float, trials: float, z: float = Z) -> Interval:
    """The same for a share of `trials`, which may be fractional, with ±z in place of ±1.96."""
    middle = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * math.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2)
    return Interval(share, 0.0 if share == 0 else middle - half, 1.0 if share == 1 else middle + half)


def mcnemar_exact(regressed: int, corrected: int) -> float:
    """Two-sided p-value of McNemar's exact test (Psychometrika 12, 1947): is either as likely as the other?"""
    from scipy import stats

    if regressed + corrected == 0:
        return 1.0
    return float(stats.binomtest(regressed, regressed + corrected, 0.5).pvalue)


def paired_drop(regressed: float, corrected: float, samples: float, z: float = Z) -> Interval:
    """Accuracy of the reference minus the candidate's, with Tango's score interval (Stat. Med. 17, 1998, 891-908)."""
    drop = (regressed - corrected) / samples

    def excess(at: float) -> float:
        return regressed - corrected - samples * at

    def deviation(at: float) -> float:
        linear = -regressed - corrected + (2 * samples - regressed + corrected) * at
        constant = -corrected * at * (1 - at)
        root = math.sqrt(max(linear**2 - 8 * samples * constant, 0.0))
        corrected_share = (root - linear) / (4 * samples)
        return math.sqrt(max(samples * (2 * corrected_share + at * (1 - at)), 0.0))

    return _score_interval(drop, (-1.0, 1.0), excess, deviation, z)


def paired_kept(both: float, regressed: float, corrected: float, samples: float, z: float = Z) -> Interval | None:
    """Accuracy of the candidate over the reference's, with the score interval for a ratio of paired proportions.

    Nam and Blackwelder, Stat. Med. 21 (2002), 689-699; Tang, Tang and Chan, Stat. Med. 22 (2003), 1217-1233. Samples
    wrong under both carry no information on the ratio, so the result does not depend on their number. None where the
    reference is never right, since nothing can be kept.
    """
    if both + regressed <= 0:
        return None
    seen = both + regressed + corrected
    kept = (both + corrected) / (both + regressed)

    def excess(at: float) -> float:
        return both + corrected - at * (both + regressed)

    def deviation(at: float) -> float:
        corrected_share = _corrected_share(both, regressed, corrected, at)
        return math.sqrt(max(at * seen * ((1 + at) * corrected_share + 1 - at), 0.0))

    highest = 2 * max(kept, 1.0)
    while excess(highest) + z * deviation(highest) > 0:
        highest *= 2
    return _score_interval(kept, (0.0, highest), excess, deviation, z)


def _corrected_share(both: float, regressed: float, corrected: float, ratio: float) -> float:
    """Maximum-likelihood share of `corrected` among samples right at least once, given the ratio of the accuracies."""
    a = ratio * (1 + ratio) * (both + regressed + corrected)
    b = both * (1 - ratio**2) - corrected * (2 * ratio**2 - 1) - regressed * ratio**2
    c = -corrected * ratio * (1 - ratio)
    if a == 0:
        return 0.0
    return (-b + math.sqrt(max(b**2 - 4 * a * c, 0.0))) / (2 * a)


def _score_interval(
    estimate: float,
    bounds: tuple[float, float],
    excess: Callable[[float], float],
    deviation: Callable[[float], float],
    z: float,
) -> Interval:
    """The values at which the score statistic excess/deviation is within ±z; excess falls from + to - at `estimate`."""
    from scipy import optimize

    lowest, highest = bounds
    step = 1e-12

    def at_low(value: float) -> float:
        return excess(value) - z * deviation(value)

    def at_high(value: float) -> float:
        return excess(value) + z * deviation(value)

    inner_low, inner_high = estimate - step, estimate + step
    low, high = lowest, highest
    if inner_low > lowest and at_low(lowest) > 0 > at_low(inner_low):
        low = float(optimize.brentq(at_low, lowest, inner_low, xtol=1e-13))
    if inner_high < highest and at_high(highest) < 0 < at_high(inner_high):
        high = float(optimize.brentq(at_high, inner_high, highest, xtol=1e-13))
    return Interval(estimate, min(low, estimate), max(high, estimate))


def median_interval(values: Values) -> Interval:
    """A median with its exact interval: the innermost pair of order statistics that covers with 95 % or more.

    No distribution is assumed: see `quantile_ranks`. Raises ValueError below six values, where no 95 % interval exists.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    ranks = quantile_ranks(len(ordered), 0.5)
    if ranks is None:
        raise ValueError(f"{len(ordered)} values: an interval of the median needs {FEWEST_FOR_MEDIAN_INTERVAL}")
    low, high = ranks
    return Interval(float(np.median(ordered)), float(ordered[low - 1]), float(ordered[high - 1]))


def quantile_interval(values: Values, share: float, groups: NDArray[np.int64]) -> Interval | None:
    """A quantile (`share` from 0 to 1) with an interval between order statistics; no distribution is assumed.

    `groups` has the group (the load) of each value. Values of one group resemble each other and count for fewer than
    they are: their number is divided by the design effect, as R's survey::svyquantile does with interval.type "beta"
    (Woodruff, JASA 47, 1952; Korn and Graubard, Survey Methodology 24, 1998). None where there are too few: the 95 %
    interval would end beyond the values.
    """
    ordered, count = np.sort(values), len(values)
    value = float(np.quantile(ordered, share))
    below = (np.asarray(values < value, dtype=np.float64) + (values <= value)) / 2
    size = effective_size(below, groups)
    ranks = quantile_ranks(size, share)
    if ranks is None:
        return None
    low, high = ordered[math.floor(ranks[0] * count / size) - 1], ordered[math.ceil(ranks[1] * count / size) - 1]
    return Interval(value, min(value, float(low)), max(value, float(high)))


@lru_cache(maxsize=1024)
def quantile_ranks(count: int, share: float) -> tuple[int, int] | None:
    """Ranks (from 1) of the innermost order statistics between which a quantile lies with 95 % or more.

    The number of `count` independent values below it is binomial (Conover, Practical Nonparametric Statistics, 3.2);
    2.5 % at most are left on either side. None where `count` values are too few for that.
    """
    from scipy import stats

    if count < 1:
        return None
    tail = (1 - CONFIDENCE) / 2
    low, high = (int(stats.binom.ppf(at, count, share)) for at in (tail, 1 - tail))
    return (low, high + 1) if low >= 1 and high + 1 <= count else None


def effective_size(values: Values, groups: NDArray[np.int64]) -> int:
    """How many independent values know a mean as well as these, of which those of one group resemble each other.

    Their number over the design effect of the mean (groups taken as a sample of clusters), less what Student's t loses
    with few groups (Korn and Graubard, 1998); never more than there are values. 0 for one group.
    """
    from scipy import stats

    _, member, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    count, clusters = len(values), len(sizes)
    if clusters < 2:
        return 0
    excess = np.bincount(member, weights=values) - sizes * float(np.mean(values))
    between = clusters / (clusters - 1) * float(np.sum(excess**2)) / count**2
    single = float(np.var(values)) / count
    effect = max(1.0, between / single) if single > 0 else 1.0
    student = float(stats.t.ppf(0.5 + CONFIDENCE / 2, clusters - 1))
    return int(count / effect * (Z / student) ** 2)


def samples_for_percentile(percentile: float, confidence: float = 0.99) -> int:
    """Fewest samples that support a percentile (0 to 1): MLPerf LoadGen's early-stopping bound at tolerance 0.

    One sample may exceed the estimate, so n is the smallest with P(Binomial(n, 1 - percentile) <= 1) <= 1 - confidence,
    the binomial's tail being the regularised incomplete beta function.
    """
    from scipy import special

    def passes(count: int) -> bool:
        return float(special.betainc(count - 1, 2, percentile)) <= 1 - confidence

    return smallest_passing(passes, start=2)


def smallest_passing(passes: Callable[[int], bool], start: int, limit: int = 2**40) -> int:
    """The smallest integer from `start` on that passes a monotone test; ValueError if none up to `limit` does."""
    low, high = start - 1, start
    while not passes(high):
        if high >= limit:
            raise ValueError(f"no number of samples up to {limit} is enough")
        low, high = high, min(2 * high, limit)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(middle) else (middle, high)
    return high


def samples_to_decide(
    interval_at: Callable[[float, float], Interval | None], target: float, samples: int, most: int = 10**9
) -> int | None:
    """How many samples would probably (4 times in 5) put `target` outside the 95 % interval, at the rates seen so far.

    `interval_at(scale, z)` gives the interval from `scale` times the counts at hand, with ±z in place of ±1.96; a power
    of 80 % is asked for by z = 1.96 + 0.84. None where more than `most` would be needed.
    """

    def decided(count: int) -> bool:
        interval = interval_at(count / samples, Z_POWER_80)
        return interval is not None and interval.excludes(target)

    try:
        return smallest_passing(decided, start=1, limit=most)
    except ValueError:
        return None
