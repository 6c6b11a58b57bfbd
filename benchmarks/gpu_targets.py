"""What the GPU benchmark requires of its figures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

REPLAY_TOLERANCE = 0.03
LIMIT_SHARE = 0.9
LIMIT_FROM_BATCH = 1024
PEER = "torch"
FLOATS = ("fp32", "tf32", "fp16", "bf16")


@dataclass(frozen=True)
class Target:
    """One requirement: `value` must lie within [low, high] (None: open)."""

    name: str
    value: float | None
    low: float | None
    high: float | None

    @property
    def met(self) -> bool:
        """A value that is missing meets nothing."""
        if self.value is None or math.isnan(self.value):
            return False
        return (self.low is None or self.value >= self.low) and (self.high is None or self.value <= self.high)


def targets(cells: dict[str, dict[str, Any]]) -> list[Target]:
    """The requirements on every measured cell; a cell that failed, rather than being unavailable, meets none."""
    found = []
    for name, cell in cells.items():
        if cell["status"] == "failed":
            found.append(Target(f"{name}: measured at all ({cell['reason']})", None, None, None))
        if cell["status"] == "measured" and not name.endswith(f"/{PEER}"):
            found += _cell_targets(name, cell)
    if not any(cell["status"] == "measured" for cell in cells.values()):
        found.append(Target("at least one cell measured", None, None, None))
    return found


def _cell_targets(name: str, cell: dict[str, Any]) -> Iterator[Target]:
    accuracy = cell["accuracy"]
    if name.rsplit("/", 1)[1] in FLOATS:
        low, high = accuracy["onnxruntime_low"], accuracy["onnxruntime_high"]
        yield Target(f"{name}: top-1 within ONNX Runtime's 95 % interval", accuracy["top1"], low, high)
    for batch, row in cell["batches"].items():
        if row["status"] != "measured":
            continue
        where = f"{name}, batch {batch}"
        yield Target(
            f"{where}: device-only time over the bare replay's",
            row["device_over_bare"],
            1 - REPLAY_TOLERANCE,
            1 + REPLAY_TOLERANCE,
        )
        if int(batch) >= LIMIT_FROM_BATCH:
            yield Target(f"{where}: throughput over its limit", row["throughput_over_limit"], LIMIT_SHARE, None)


def wilson(correct: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a proportion (Wilson, 1927)."""
    z = 1.959963984540054
    centre = (correct + z * z / 2) / (count + z * z)
    half = z / (count + z * z) * math.sqrt(correct * (count - correct) / count + z * z / 4)
    return centre - half, centre + half
