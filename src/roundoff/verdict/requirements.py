"""The target: what a cell must hold to be shipped."""

from __future__ import annotations

from dataclasses import dataclass

from roundoff.errors import ConfigError
from roundoff.measurement.latency import PERCENTILES
from roundoff.pipeline.limits import MOST_BATCH


@dataclass(frozen=True)
class Target:
    """What a cell must hold to be shipped; None means that it does not matter.

    `keep` is the share of the reference's accuracy to keep, `points` the most percentage points of accuracy to lose.
    Budgets: end-to-end `latency_ms` at `latency_percentile`, and `throughput_per_s` (images), both at `batch_size`;
    `size_mb` and `memory_mb` (10^6 bytes); `mj_per_image`. Latency end to end at `batch_size` also ranks the cells;
    differences of a share below `speed_margin` are not called differences.
    """

    keep: float | None = 0.99
    points: float | None = None
    batch_size: int = 1
    latency_ms: float | None = None
    latency_percentile: str = "p50"
    throughput_per_s: float | None = None
    size_mb: float | None = None
    memory_mb: float | None = None
    mj_per_image: float | None = None
    speed_margin: float = 0.01

    def __post_init__(self) -> None:
        one = self.keep is not None or self.points is not None
        _require(one, "keep", None, "a value for keep or for points: a verdict needs a target for accuracy")
        _require(self.keep is None or 0 < self.keep <= 1, "keep", self.keep, "a share above 0, at most 1")
        _require(self.points is None or 0 <= self.points < 100, "points", self.points, "percentage points, 0 or more")
        _require(1 <= self.batch_size <= MOST_BATCH, "batch_size", self.batch_size, f"at least 1, at most {MOST_BATCH}")
        known = self.latency_percentile in PERCENTILES
        _require(known, "latency_percentile", self.latency_percentile, f"one of {', '.join(PERCENTILES)}")
        for name in ("latency_ms", "throughput_per_s", "size_mb", "memory_mb", "mj_per_image"):
            value = getattr(self, name)
            _require(value is None or 0 < value < float("inf"), name, value, "a number above 0, or null")
        _require(0 <= self.speed_margin < 1, "speed_margin", self.speed_margin, "a share from 0 to below 1")

    def words(self) -> str:
        """The target in one line."""
        parts = [
            (self.keep, f"keep {100 * (self.keep or 0):.6g}% of the reference's accuracy"),
            (self.points, f"lose at most {self.points} points of accuracy"),
            (
                self.latency_ms,
                f"{self.latency_percentile} at most {self.latency_ms} ms at batch size {self.batch_size}",
            ),
            (self.throughput_per_s, f"at least {self.throughput_per_s} images/s at batch size {self.batch_size}"),
            (self.size_mb, f"at most {self.size_mb} MB"),
            (self.memory_mb, f"at most {self.memory_mb} MB of device memory"),
            (self.mj_per_image, f"at most {self.mj_per_image} mJ per image"),
        ]
        return ", ".join(text for value, text in parts if value is not None)


def _require(holds: bool, name: str, received: object, expected: str) -> None:
    if not holds:
        raise ConfigError(f"bad {name}", received=received, expected=expected, fix=f"correct verdict.{name}")
