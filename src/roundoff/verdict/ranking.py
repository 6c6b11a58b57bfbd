"""Ranking of measured cells: what can be told apart in latency, accuracy and size, and the Pareto front.

Accuracies are told apart by the intervals of their paired drops from the reference. Latency is the median end to end
at the target's batch size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from roundoff.results.cell import Accuracy, CellMetrics
from roundoff.results.run import Method, Metrics
from roundoff.results.values import SpeedDifference, bounds_of
from roundoff.system.slots import REFERENCE_PRECISION

# What absolute times of two sessions on one machine may differ by, as a share: they are never interleaved, and one
# model timed against itself in two of them read 0.88 to 1.0.
SESSION_DRIFT = 0.12
SAME_SIZE = 0.01  # sizes within this share are equal: a header's bytes are nobody's reason to ship a precision


@dataclass(frozen=True)
class Ranked:
    """What ranking looks at: latency in ms with its 95 % interval, size in MB, the interval of the accuracy lost.

    `noise` is the share below which the cell's device tells no latencies apart. Accuracies are shares; `lost_low` and
    `lost_high` are what `accuracy_loss` gives. `speedup` is the 95 % interval of the speed over FP32's on the cell's
    `backend`, (1, 1) for FP32 itself, None where they were not timed in turns.
    """

    name: str
    latency_ms: float
    low_ms: float
    high_ms: float
    noise: float
    size_mb: float
    top1: float
    lost_low: float
    lost_high: float
    backend: str = ""
    speedup: tuple[float, float] | None = None

    def clearly_faster(self, other: Ranked) -> bool:
        """Whether the intervals of the speeds are apart, by a share beyond both devices' noise.

        Of one backend's cells those of the speed-ups decide: they were timed in turns, so that what slows the machine
        slows both. Where these are not apart, and between backends, those of the latencies do.
        """
        if self._faster_in_turns(other) or other._faster_in_turns(self):
            return self._faster_in_turns(other)
        return self.high_ms * self._apart(other) < other.low_ms

    def _faster_in_turns(self, other: Ranked) -> bool:
        if self.speedup is None or other.speedup is None or self.backend != other.backend:
            return False
        return self.speedup[0] > other.speedup[1] * self._apart(other)

    def _apart(self, other: Ranked) -> float:
        """Intervals are widened by the root of each one's own device's noise, so on one device by its noise in all."""
        return math.sqrt((1 + self.noise) * (1 + other.noise))

    def clearly_more_accurate(self, other: Ranked) -> bool:
        """Whether the intervals of what both lose are apart."""
        return self.lost_high < other.lost_low

    def clearly_smaller(self, other: Ranked) -> bool:
        """Whether it is smaller by more than `SAME_SIZE`."""
        return self.size_mb * (1 + SAME_SIZE) < other.size_mb

    def dominates(self, other: Ranked) -> bool:
        """No worse in accuracy, latency and size, and better in one; what cannot be told apart is equal."""
        worse = other.clearly_faster(self) or other.clearly_more_accurate(self) or other.clearly_smaller(self)
        better = self.clearly_faster(other) or self.clearly_more_accurate(other) or self.clearly_smaller(other)
        return better and not worse


def ranked(metrics: Metrics, batch_size: int, noise: Mapping[str, float]) -> list[Ranked]:
    """The cells that were measured at `batch_size`, fastest first; `noise` by cell."""
    cells = [_ranked(name, cell, metrics.reference, batch_size, noise[name]) for name, cell in metrics.cells.items()]
    return sorted((cell for cell in cells if cell is not None), key=lambda cell: cell.latency_ms)


def _ranked(name: str, cell: CellMetrics, reference: str | None, batch_size: int, noise: float) -> Ranked | None:
    """None for a cell that lacks one of the figures."""
    batch = cell.batches.get(batch_size)
    latency, ends = (batch.end_to_end_p50_ms if batch else None), bounds_of(batch, "end_to_end_p50", "ms")
    if not cell.measured or latency is None or ends is None or cell.size_mb is None or cell.accuracy is None:
        return None
    low, high = accuracy_loss(name, cell.accuracy, reference)
    precision, _, backend = name.partition("/")
    return Ranked(
        name=name,
        latency_ms=latency,
        low_ms=ends[0],
        high_ms=ends[1],
        noise=noise,
        size_mb=cell.size_mb,
        top1=cell.accuracy.top1,
        lost_low=low,
        lost_high=high,
        backend=backend,
        speedup=(1.0, 1.0) if precision == REFERENCE_PRECISION else bounds_of(batch, "end_to_end_speedup"),
    )


def accuracy_loss(name: str, accuracy: Accuracy, reference: str | None) -> tuple[float, float]:
    """The 95 % interval of the accuracy that a cell loses to the reference (a share), which itself loses nothing.

    Without a reference nothing is paired: the interval of the share of wrong answers.
    """
    if name == reference:
        return 0.0, 0.0
    return bounds_of(accuracy, "drop") or (1 - accuracy.top1_high, 1 - accuracy.top1_low)


def noise_floor(method: Method, batch_size: int, margin: float, cell: str) -> float:
    """The share below which latencies are not told apart: `margin`, or what a control differed by if that is more.

    The control is that of the cell's own device.
    """
    controls = [
        device.aa_control
        for device in method.devices.values()
        if device.aa_control is not None and cell in (device.cells or [cell])
    ]
    batches = [control.batches[batch_size] for control in controls if batch_size in control.batches]
    ratios = [ratio for batch in batches for ratio in (batch.speedup, batch.end_to_end_speedup) if ratio is not None]
    return max([margin, *(abs(ratio - 1) for ratio in ratios)])


def speed_difference(low: float | None, high: float | None, margin: float) -> SpeedDifference | None:
    """What a speed-up's 95 % interval [low, high] allows one to say; None where there is no speed-up.

    A difference must lie beyond 1 ± `margin` with its whole interval.
    """
    if low is None or high is None:
        return None
    if low > 1 + margin:
        return "faster"
    return "slower" if high < 1 / (1 + margin) else "not told apart"


def front(every: Sequence[Ranked]) -> list[str]:
    """Cells that no other beats in accuracy, latency and size. Dominance can be cyclic; then all of them."""
    unbeaten = [cell for cell in every if not any(other.dominates(cell) for other in every)]
    return [cell.name for cell in unbeaten or every]
