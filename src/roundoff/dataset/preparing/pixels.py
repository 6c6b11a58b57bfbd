"""Exact statistics of 8-bit pixels, from a histogram per channel: whole numbers until the last division."""

from __future__ import annotations

import math

import numpy as np

from roundoff.dataset.base import Images


class PixelStatistics:
    """Counts of each pixel value per channel; exact for any number of images, in constant memory."""

    def __init__(self, channels: int) -> None:
        self._histogram = np.zeros((channels, 256), dtype=np.int64)

    def add(self, image: Images) -> None:
        """Count one image, uint8 [H, W, C]."""
        for channel, counts in enumerate(self._histogram):
            counts += np.bincount(image[..., channel].ravel(), minlength=256)

    @property
    def mean(self) -> list[float]:
        """Mean per channel, on the scale 0..255."""
        return [total / count for count, total, _ in self._moments()]

    @property
    def standard_deviation(self) -> list[float]:
        """Population standard deviation per channel, on the scale 0..255: √(n·Σv² − (Σv)²) ÷ n."""
        return [math.sqrt(count * squares - total * total) / count for count, total, squares in self._moments()]

    def _moments(self) -> list[tuple[int, int, int]]:
        """Per channel n, Σv and Σv², as Python integers, which cannot overflow."""
        histograms = self._histogram.tolist()
        return [
            (sum(counts), sum(v * n for v, n in enumerate(counts)), sum(v * v * n for v, n in enumerate(counts)))
            for counts in histograms
        ]
