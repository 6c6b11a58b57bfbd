"""A share of the values: clips the rarest, largest magnitudes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from roundoff.calibration.base import Calibrator
from roundoff.calibration.observing.histogram import Histogram
from roundoff.pipeline.limits import require


@dataclass(frozen=True)
class Percentile(Calibrator):
    """Clips at the magnitude under which `percentile` percent of all values lie, zeros included."""

    name: ClassVar[str] = "percentile"

    percentile: float = 99.99

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 < self.percentile <= 100, "calibrate.percentile", self.percentile, "above 0, at most 100")

    def threshold(self, seen: Histogram) -> float:
        """The upper edge of the first bin that reaches the share: from one bin's width to the largest magnitude.

        The largest magnitude itself for 100 %, and where only exact zeros were counted.
        """
        if self.percentile == 100 or seen.zeros == seen.total:
            return seen.peak
        reached = np.cumsum(seen.magnitudes()) + seen.zeros
        first = int(np.searchsorted(reached, seen.total * self.percentile / 100))
        return min((first + 1) * seen.width, seen.peak)
