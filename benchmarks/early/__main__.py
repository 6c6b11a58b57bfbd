"""Does stopping early err more often than it may, and what does it save? Simulated; seeds fixed.

    python -m benchmarks.early [--check] [--quick] [--out FILE]

Images: test sets of 10,000 whose cells keep exactly the share of accuracy that is asked for (where every decision is
an error), lose nothing, or lose two points; they stop by the product's rule, after any 256 images. Times:
benchmarks.verdict's simulated machine and the product's own loop, which may stop after any load; races: the same where
FP32 and a candidate race, or six. Prints JSON. With
--check, exits 1 and names each target that was missed. --quick does a twentieth of the work.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from benchmarks.early.images import images
from benchmarks.early.races import races
from benchmarks.early.times import times
from benchmarks.targets import run

TARGETS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "at the target, wrongly passed in at most 2.5 % of test sets": lambda r: all(
        row["pass"] <= 0.025 for row in r["images"] if row["loss"] == "at the target"
    ),
    "at the target, decided either way in at most 5 %": lambda r: all(
        row["pass"] + row["fail"] <= 0.05 for row in r["images"] if row["loss"] == "at the target"
    ),
    "intervals of the drop hold in at least 95 %": lambda r: all(row["covers"] >= 0.95 for row in r["images"]),
    "half of the images saved where few answers flip": lambda r: all(
        row["images_saved"] >= 0.5 for row in r["images"] if row["loss"] != "at the target" and row["flips"] <= 0.02
    ),
    "times: the interval holds in at least 95 %": lambda r: all(row["covers"] >= 0.95 for row in r["times"].values()),
    "A/A, times: called different in at most 5 %": lambda r: r["times"]["aa"]["called_different"] <= 0.05,
    "races: decided wrongly in at most 5 %": lambda r: all(row["decided_wrongly"] <= 0.05 for row in r["races"]),
    "races: the interval holds in at least 95 %": lambda r: all(row["covers"] >= 0.95 for row in r["races"]),
    "races: half of the seconds saved where one is clearly faster": lambda r: (
        r["races"][2]["seconds_saved"] >= 1 / 2 and r["races"][2]["decided"] == 1
    ),
    "a third of the seconds saved": lambda r: all(row["seconds_saved"] >= 1 / 3 for row in r["times"].values()),
}


def measure(scale: float) -> dict[str, Any]:
    """All figures; `scale` 1 is what the targets are stated for."""
    runs = max(5, round(60 * scale))
    return {"images": images(max(50, round(2000 * scale))), "times": times(runs), "races": races(runs)}


if __name__ == "__main__":
    sys.exit(run("benchmarks.early", __doc__, measure, TARGETS, sys.argv[1:]))
