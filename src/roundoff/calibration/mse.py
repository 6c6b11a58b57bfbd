"""The threshold with the smallest mean squared quantization error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from roundoff.calibration.base import Calibrator, require_candidates
from roundoff.calibration.histogram import Histogram

TOP_CODE = 127


@dataclass(frozen=True)
class MeanSquaredError(Calibrator):
    """Clips where rounding and clipping errors together are smallest, among `candidates` thresholds."""

    name: ClassVar[str] = "mse"

    candidates: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        require_candidates(self.candidates)

    def threshold(self, seen: Histogram) -> float:
        """The best of evenly spaced candidates from a sixteenth of the largest magnitude up to all of it.

        The largest of equals, so that nothing is clipped for free.
        """
        tried = np.linspace(seen.peak, seen.peak / 16, self.candidates)
        losses = [squared_error(seen, float(t)) for t in tried]
        return float(tried[int(np.argmin(losses))]) if seen.peak else 0.0


def squared_error(seen: Histogram, threshold: float) -> float:
    """Summed squared error of int8 rounding with scale threshold / 127, each value taken at its bin's middle."""
    if not threshold:
        return 0.0 if not seen.peak else float("inf")
    counts = seen.magnitudes()
    values = (np.arange(len(counts)) + 0.5) * seen.width
    scale = threshold / TOP_CODE
    error = np.minimum(np.rint(values / scale), TOP_CODE) * scale - values
    return float(np.dot(counts, error * error))
