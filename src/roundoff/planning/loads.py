"""How many loads of the engines, and seconds, bring a speed-up's interval within the width that is asked for.

The interval is the exact one of the median over loads (`median_interval`), so its width depends on how the loads'
ratios spread. Their logarithms are taken as normal with the pilot's standard deviation, at its upper 80 % limit by the
chi-squared distribution, since a plan by the deviation itself falls short in half of all cases (Browne, Stat. Med. 14,
1995, 1933-1940). The width of the interval of n normal values is simulated, with a fixed seed.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from roundoff.measurement.statistics import FEWEST_FOR_MEDIAN_INTERVAL, quantile_ranks, smallest_passing
from roundoff.planning.images import POWER

MOST_LOADS = 20_000
SIMULATED = 400
FEWEST_IN_PILOT = 3


def loads_needed(ratios: NDArray[np.float64], within: float, power: float = POWER) -> int | None:
    """Loads after which the speed-up's 95 % interval is within ±`within` (a share) with probability `power`.

    `ratios` are the pilot's speed-ups by load, float64 [loads], three or more. None where 20,000 would not do.
    """
    deviation = upper_deviation(np.log(ratios), power)

    def narrow(count: int) -> bool:
        return _half_width(count, power) * deviation <= math.log1p(within)

    try:
        return smallest_passing(narrow, start=FEWEST_FOR_MEDIAN_INTERVAL, limit=MOST_LOADS)
    except ValueError:
        return None


def upper_deviation(values: NDArray[np.float64], confidence: float = POWER) -> float:
    """The upper one-sided limit of the standard deviation of normal values: s √((n − 1) / χ²(1 − confidence))."""
    from scipy import stats

    freedom = len(values) - 1
    return float(np.std(values, ddof=1) * math.sqrt(freedom / stats.chi2.ppf(1 - confidence, freedom)))


@lru_cache(maxsize=256)
def _half_width(count: int, power: float) -> float:
    """The wider half of the median's interval over `count` standard normal values: what a share `power` of them stays
    within."""
    ranks = quantile_ranks(count, 0.5)
    if ranks is None:
        return math.inf
    drawn = np.sort(np.random.default_rng(count).standard_normal((SIMULATED, count)), axis=1)
    middle = np.median(drawn, axis=1)
    wider = np.maximum(drawn[:, ranks[1] - 1] - middle, middle - drawn[:, ranks[0] - 1])
    return float(np.quantile(wider, power))
