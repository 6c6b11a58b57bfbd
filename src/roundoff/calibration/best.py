"""Per tensor, whichever method quantizes held-out images with the smallest error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from roundoff.calibration.base import Calibrator, Ends, require_candidates
from roundoff.calibration.entropy import Entropy
from roundoff.calibration.minmax import MinMax
from roundoff.calibration.mse import MeanSquaredError, ends_error, squared_error
from roundoff.calibration.observing.histogram import Histogram
from roundoff.calibration.percentile import Percentile
from roundoff.pipeline.limits import require


@dataclass(frozen=True)
class Best(Calibrator):
    """Tries minmax, percentile, entropy and mse on each tensor."""

    name: ClassVar[str] = "best"
    compares_held_out: ClassVar[bool] = True

    percentile: float = 99.99
    candidates: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 < self.percentile <= 100, "calibrate.percentile", self.percentile, "above 0, at most 100")
        require_candidates(self.candidates)

    def threshold(self, seen: Histogram) -> float:
        """The best threshold judged on the histogram it was chosen from."""
        return self.choose(seen, seen)[0]

    def choose(self, seen: Histogram, held_out: Histogram) -> tuple[float, str]:
        """The threshold with the smallest squared error on `held_out`, and its method; the first of equals."""
        chosen = [(method.threshold(seen), method.name) for method in self._methods()]
        return min(chosen, key=lambda one: squared_error(held_out, one[0]))

    def ends(self, seen: Histogram, held_out: Histogram) -> tuple[Ends, str]:
        """The ends with the smallest squared error on `held_out`, and their method; the first of equals."""
        chosen = [method.ends(seen, held_out) for method in self._methods()]
        return min(chosen, key=lambda one: ends_error(held_out, one[0]))

    def _methods(self) -> tuple[Calibrator, ...]:
        return (
            MinMax(),
            Percentile(percentile=self.percentile),
            Entropy(candidates=self.candidates),
            MeanSquaredError(candidates=self.candidates),
        )
