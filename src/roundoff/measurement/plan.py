"""What of speed is to be measured, and what is found of one cell."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from roundoff.results.cell import Batch, Energy
from roundoff.system.device_lock import ANYWHERE, Locking

if TYPE_CHECKING:
    from roundoff.measurement.enough import Schedule


@dataclass(frozen=True)
class SpeedPlan:
    """What to time: batch sizes, input buffers, seconds of energy, whether with an A/A control; and its lock.

    With `strict` the first failure ends it; else what fails is a row, and the others go on. `place` is that of the
    device among several that share the loads: orders and places in memory are drawn anew on each. What may stop
    early is a race of the cells that are `passing`, which keep the accuracy that is asked for, and of the `lossless`
    among them, which lose none measurably.
    """

    schedule: Schedule
    batch_sizes: list[int]
    input_buffers: int
    energy_seconds: float
    aa_control: bool
    seed: int
    strict: bool = False
    locking: Locking = ANYWHERE
    place: int = 0
    passing: frozenset[str] = frozenset()
    lossless: frozenset[str] = frozenset()


@dataclass(frozen=True)
class CellSpeed:
    """What timing finds of one cell: the part of its metrics that `CellMetrics` names alike."""

    load_ms: float | None = None
    memory_mb: float | None = None
    energy: Energy = field(default_factory=Energy)
    batches: dict[int, Batch] = field(default_factory=dict)
