"""What the GPU benchmark requires of its figures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
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


def targets(cells: dict[str, dict[str, Any]], batches: Sequence[int]) -> list[Target]:
    """The requirements on every cell.

    Those of a float precision must be measured at every one of `batches`; others, and the peer, may be unavailable.
    What failed meets nothing.
    """
    found = []
    for name, cell in cells.items():
        needed = batches if name.rsplit("/", 1)[1] in FLOATS else ()
        found += list(_presence(name, cell, needed))
        if cell["status"] == "measured" and not name.endswith(f"/{PEER}"):
            found += _cell_targets(name, cell)
    if not any(cell["status"] == "measured" for cell in cells.values()):
        found.append(Target("at least one cell measured", None, None, None))
    return found


def _presence(name: str, cell: dict[str, Any], needed: Sequence[int]) -> Iterator[Target]:
    """What is there and should not be (a failure), or is not there and should be."""
    if cell["status"] == "failed" or (cell["status"] != "measured" and needed):
        yield Target(f"{name}: measured at all ({cell['reason']})", None, None, None)
    if cell["status"] != "measured":
        return
    rows = cell["batches"]
    for batch in dict.fromkeys([*map(str, needed), *rows]):
        row = rows.get(batch, {"status": "absent", "reason": "no row"})
        if row["status"] == "failed" or (row["status"] != "measured" and int(batch) in needed):
            yield Target(f"{name}, batch {batch}: measured at all ({row['reason']})", None, None, None)


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
