"""The target: what a cell must hold to be shipped, as the configuration sets it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from roundoff.measurement.latency import PERCENTILES
from roundoff.pipeline.limits import MOST_BATCH, require
from roundoff.results.verdict import Requirements


@dataclass(frozen=True, kw_only=True)
class Target(Requirements):
    """The fields of `Requirements`, checked; None means that it does not matter. Raises ConfigError.

    At least one of the targets for accuracy and agreement must be set. Latency end to end at `batch_size` also ranks
    the cells.
    """

    min_relative_accuracy: float | None = 0.99
    max_drop_points: float | None = None

    def __post_init__(self) -> None:
        share, points, agreement = self.min_relative_accuracy, self.max_drop_points, self.min_agreement
        any_of = "a value for it, for max_drop_points or for min_agreement: a verdict needs a target for accuracy"
        _require((share, points, agreement) != (None, None, None), "min_relative_accuracy", None, any_of)
        _require(share is None or 0 < share <= 1, "min_relative_accuracy", share, "a share above 0, at most 1")
        _require(points is None or 0 <= points < 100, "max_drop_points", points, "percentage points, 0 or more")
        sliced = self.max_slice_drop_points
        _require(sliced is None or 0 <= sliced < 100, "max_slice_drop_points", sliced, "percentage points, 0 or more")
        _require(agreement is None or 0 < agreement <= 1, "min_agreement", agreement, "a share above 0, at most 1")
        _require(1 <= self.batch_size <= MOST_BATCH, "batch_size", self.batch_size, f"at least 1, at most {MOST_BATCH}")
        known = self.latency_percentile in PERCENTILES
        _require(known, "latency_percentile", self.latency_percentile, f"one of {', '.join(PERCENTILES)}")
        for name in ("latency_ms", "throughput_per_s", "size_mb", "memory_mb", "mj_per_image"):
            value = getattr(self, name)
            _require(value is None or 0 < value < float("inf"), name, value, "a number above 0, or null")
        _require(0 <= self.speed_margin < 1, "speed_margin", self.speed_margin, "a share from 0 to below 1")

    def requirements(self) -> Requirements:
        """What verdict.json says of it."""
        return Requirements(**asdict(self))


def _require(holds: bool, name: str, received: object, expected: str) -> None:
    require(holds, f"verdict.{name}", received, expected)
