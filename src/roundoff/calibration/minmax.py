"""The whole range that was seen: clips nothing, and one outlier coarsens every other value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from roundoff.calibration.base import Calibrator
from roundoff.calibration.observing.histogram import Histogram


@dataclass(frozen=True)
class MinMax(Calibrator):
    """Clips at the largest magnitude seen."""

    name: ClassVar[str] = "minmax"

    def threshold(self, seen: Histogram) -> float:
        """The largest magnitude, exactly."""
        return seen.peak
