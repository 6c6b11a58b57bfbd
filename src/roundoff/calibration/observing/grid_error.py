"""The squared error that an integer grid makes of a tensor, from its histogram: for many grids at once.

The error of rounding X to the codes k * scale, first <= k <= last, is

    E[(X - last * scale)^2] - 2 * scale * sum of G((k + 1/2) * scale) over first <= k < last,

where G(x) = E[max(x - X, 0)]: summation by parts of the errors of all codes. So one function of x, a table with a
parabola in each bin, gives every grid's error at 255 places, however many bins there are.

Values are taken to be spread evenly within their bin. The two extremes are known exactly, and their bins are held to
be all there: what piles up at the end of a ReLU6 or in a constant lies on a code without error.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roundoff.calibration.observing.histogram import BINS, Histogram

Floats = NDArray[np.float64]

STEPS = 255
"""Steps between the 256 codes of an 8-bit grid."""
TOP_CODE = 127
FINEST_PEAK = BINS // 2
"""Bins up to the peak, at least, unless it is so small that float32 cannot be counted any finer."""


class GridError:
    """Summed squared errors over the counted values of one histogram; the arguments are arrays float64 [k].

    With `but_one` the largest magnitude counts once less: what is left does not hang on a single value.
    """

    def __init__(self, seen: Histogram, but_one: bool = False) -> None:
        self._width = seen.width
        counts = seen.counts.astype(np.float64)
        self._points = _extremes(seen, counts)
        if but_one and self._points:
            value, count = max(self._points, key=lambda point: abs(point[0]))
            self._points.remove((value, count))
            self._points.append((value, max(count - 1, 0.0)))
        self._density = _by_position(counts, seen)
        self._below = np.concatenate([[0.0], np.cumsum(self._density)])
        self._integral = np.concatenate([[0.0], np.cumsum(self._below[:-1] + self._density / 2)])
        middles = np.arange(2 * BINS) - BINS + 0.5
        self._moments = [float((self._density * power).sum()) for power in (1.0, middles, middles * middles + 1 / 12)]

    @property
    def power(self) -> float:
        """The summed squares of the values themselves."""
        squares = self._moments[2] + sum(count * value * value for value, count in self._points)
        return float(squares * self._width**2)

    def symmetric(self, thresholds: Floats) -> Floats:
        """Errors of int8 with zero point 0 and the scale threshold / 127, [k]."""
        return self._errors(thresholds / TOP_CODE, np.full(len(thresholds), -TOP_CODE - 1.0))

    def asymmetric(self, lows: Floats, highs: Floats) -> Floats:
        """Errors of 256 codes that span [low, high] and zero, with the zero point that is nearest, [k]."""
        lows, highs = np.minimum(lows, 0), np.maximum(highs, 0)
        scales = (highs - lows) / STEPS
        return self._errors(scales, np.rint(lows / scales))

    def _errors(self, scales: Floats, first: Floats) -> Floats:
        """Errors of STEPS + 1 codes from `first` up, [k] each."""
        scales = scales / self._width
        last = (first + STEPS) * scales
        edges = (first[:, None] + np.arange(STEPS) + 0.5) * scales[:, None]
        count, mean, square = self._moments
        errors = square - 2 * last * mean + last * last * count - 2 * scales * self._shortfall(edges).sum(axis=1)
        for value, number in self._points:
            codes = np.clip(np.rint(value / scales), first, first + STEPS)
            errors = errors + number * np.square(codes * scales - value)
        # Where a grid represents all values, what is left of the large terms may be below zero.
        return np.asarray(np.maximum(errors, 0) * self._width**2)

    def _shortfall(self, edges: Floats) -> Floats:
        """G at `edges`, in bins from zero."""
        places = np.clip(edges + BINS, 0, 2 * BINS)
        bins = np.minimum(places.astype(np.int64), 2 * BINS - 1)
        inside = places - bins
        within = self._integral[bins] + inside * (self._below[bins] + self._density[bins] * inside / 2)
        return np.asarray(within + np.maximum(edges - BINS, 0) * self._moments[0])


def too_small(seen: Histogram) -> bool:
    """Whether the tensor's values are so small that all lie in a few bins, which tell nothing of them."""
    return seen.peak < FINEST_PEAK * seen.width


def _extremes(seen: Histogram, counts: Floats) -> list[tuple[float, float]]:
    """The extremes in bins from zero with what their bins count, which is taken out of `counts`.

    An extreme that the sampling stride left out has one value's share.
    """
    share = seen.total / seen.position if seen.position else 1.0
    points = []
    for value in sorted({seen.low, seen.high}):
        place = value / seen.width if seen.low <= seen.high else 0.0
        if abs(place) >= 1:  # the bin at zero holds both signs
            index = BINS + int(place)
            points.append((place, max(float(counts[index]), share)))
            counts[index] = 0
    return points


def _by_position(counts: Floats, seen: Histogram) -> Floats:
    """Counts [2 * BINS] of equal bins from -BINS to BINS; those that truncate to zero are shared out by sign."""
    laid = np.concatenate([counts[1:BINS], [0.0, 0.0], counts[BINS + 1 :]])
    positive = 1.0 if seen.low >= 0 else 0.0 if seen.high <= 0 else 0.5
    laid[BINS - 1 : BINS + 1] = counts[BINS] * (1 - positive), counts[BINS] * positive
    return laid
