"""An exact histogram of a stream: one pass, constant memory, the same counts however the stream is cut.

Bins are 2^exponent wide. When a value outgrows them, the exponent rises and bins merge in pairs. Scaling a float by a
power of two is exact and truncation composes, trunc(trunc(x / w) / 2) = trunc(x / 2w), so the merged counts are those
that the final width would have given from the start.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

BINS = 4096
"""Bins on each side of zero; at least half of them are in use between 0 and the largest magnitude."""

_SMALLEST_EXPONENT = -120
_BLOCK = 1 << 17

Counts = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Summary:
    """Counts of a tensor's nonzero values over equal parts of its range, the exact zeros, and all of its values."""

    bars: list[int] = field(default_factory=list)
    zeros: int = 0
    total: int = 0


@dataclass
class Histogram:
    """Counts of float32 values in bins of one width, exact zeros apart.

    `low` and `high` are the extremes, `total` the number of values counted.
    `position` is the number of values that were looked at for counting, strides included.
    `counts[BINS + i]` counts the nonzero values that truncate to i bin widths, for -BINS < i < BINS.
    `channel_sums`, [C], sum up the channels' means over the `images` images that `add_channels` was given.
    """

    low: float = math.inf
    high: float = -math.inf
    total: int = 0
    zeros: int = 0
    exponent: int = _SMALLEST_EXPONENT
    counts: Counts = field(default_factory=lambda: np.zeros(2 * BINS, np.int64))
    position: int = 0
    images: int = 0
    channel_sums: NDArray[np.float64] | None = None

    @property
    def width(self) -> float:
        """The width of one bin."""
        return math.ldexp(1.0, self.exponent)

    @property
    def peak(self) -> float:
        """The largest magnitude seen; 0 before any value."""
        return max(abs(self.low), abs(self.high)) if self.low <= self.high else 0.0

    def add(self, values: Floats, stride: int = 1) -> None:
        """Count every `stride`-th value of a float32 array of any shape; the extremes are taken over all of them.

        The stride goes on where the array before left it. Raises ValueError for NaN or infinity.
        """
        flat = values.reshape(-1)
        if not flat.size:
            return
        low, high = float(flat.min()), float(flat.max())
        if not math.isfinite(low) or not math.isfinite(high):
            raise ValueError(f"values from {low} to {high}")
        self.low, self.high = min(self.low, low), max(self.high, high)
        self._widen(_exponent_for(self.peak))
        sample = flat[-self.position % stride :: stride]
        self.position += flat.size
        for start in range(0, sample.size, _BLOCK):
            self._count(sample[start : start + _BLOCK], signed=low < 0)

    def merged(self, other: Histogram) -> Histogram:
        """A histogram of what both have counted, without channels; the counts are those of the wider bins."""
        exponent = max(self.exponent, other.exponent)
        return Histogram(
            low=min(self.low, other.low),
            high=max(self.high, other.high),
            total=self.total + other.total,
            zeros=self.zeros + other.zeros,
            exponent=exponent,
            counts=np.add(*(_rebinned(one.counts, exponent - one.exponent) for one in (self, other))),
            position=self.position + other.position,
        )

    def add_channels(self, values: Floats) -> None:
        """Add up the mean of each channel of each image of a float32 [n, C, …] array, which is not counted."""
        # In float64: float32's last digits would depend on where the array lies in memory.
        sums = values.reshape(*values.shape[:2], -1).mean(axis=2, dtype=np.float64).sum(axis=0)
        self.channel_sums = sums if self.channel_sums is None else self.channel_sums + sums
        self.images += len(values)

    def channel_means(self) -> list[float] | None:
        """The mean of each channel, to seven digits; None where no channels were added."""
        if self.channel_sums is None:
            return None
        return [float(f"{mean:.7g}") for mean in self.channel_sums / self.images]

    def magnitudes(self) -> Counts:
        """Counts of |x| for the nonzero values, up to and including the bin of the largest magnitude."""
        sides = self.counts[BINS:].copy()
        sides[1:] += self.counts[BINS - 1 : 0 : -1]
        return sides[: int(self.peak / self.width) + 1]

    def clipped(self, threshold: float) -> float:
        """The share of the nonzero values whose bin lies beyond ±`threshold`, 0 to 1, where the top code is 127."""
        return self._beyond(-threshold, threshold, threshold / 127)

    def cut(self, threshold: float) -> tuple[float, float]:
        """What is left of the range that was seen within ±`threshold`."""
        return max(-threshold, self.low), min(threshold, self.high)

    def outside(self, low: float, high: float) -> float:
        """The share of the nonzero values whose bin lies outside [low, high], 0 to 1, on a grid of 256 codes."""
        low, high = min(low, 0.0), max(high, 0.0)
        return self._beyond(low, high, (high - low) / 255)

    def summary(self, bars: int = 32) -> Summary:
        """A coarse picture for reports: `bars` counts over equal parts of [low, high], and the exact zeros."""
        if not self.total or self.low == self.high:
            return Summary([self.total - self.zeros], self.zeros, self.total)
        used = np.flatnonzero(self.counts)
        centers = (used - BINS + np.where(used > BINS, 0.5, np.where(used < BINS, -0.5, 0.0))) * self.width
        place = ((centers - self.low) / (self.high - self.low) * bars).astype(np.int64).clip(0, bars - 1)
        heights = np.bincount(place, weights=self.counts[used], minlength=bars)
        return Summary([int(n) for n in heights], self.zeros, self.total)

    def _beyond(self, low: float, high: float, step: float) -> float:
        """The share outside by more than half a step: what is nearer errs no more than what is rounded inside."""
        nonzero = int(self.counts.sum())
        below = math.ceil((step / 2 - low) / self.width) if low > self.low else BINS
        above = math.ceil((step / 2 + high) / self.width) if high < self.high else BINS
        outside = self.counts[: max(BINS - below + 1, 0)].sum() + self.counts[BINS + above :].sum()
        return float(outside / nonzero) if nonzero else 0.0

    def _count(self, values: Floats, signed: bool) -> None:
        indices = np.multiply(values, np.float32(2.0**-self.exponent)).astype(np.int32)
        if signed:
            indices += BINS
            counts = np.bincount(indices, minlength=2 * BINS)
        else:
            counts = np.bincount(indices, minlength=BINS)
        zeros = int(np.count_nonzero(values == 0))
        counts[BINS if signed else 0] -= zeros
        self.counts[0 if signed else BINS :] += counts
        self.zeros += zeros
        self.total += values.size

    def _widen(self, exponent: int) -> None:
        if exponent > self.exponent:
            self.counts = _rebinned(self.counts, exponent - self.exponent)
            self.exponent = exponent


def _exponent_for(peak: float) -> int:
    """The smallest exponent e with peak < BINS * 2^e, but no smaller than float32 can scale by."""
    return max(math.frexp(peak)[1] - (BINS.bit_length() - 1), _SMALLEST_EXPONENT) if peak else _SMALLEST_EXPONENT


def _rebinned(counts: Counts, doublings: int) -> Counts:
    if not doublings:
        return counts
    used = np.flatnonzero(counts)
    index = used - BINS
    merged = np.zeros_like(counts)
    np.add.at(merged, np.sign(index) * (np.abs(index) >> min(doublings, 31)) + BINS, counts[used])
    return merged
