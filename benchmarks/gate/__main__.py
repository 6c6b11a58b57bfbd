"""Is the gate red where something got worse, and only there? On benchmarks.verdict's simulated machine; seeds fixed.

    python -m benchmarks.gate [--check] [--quick] [--out FILE]

Each trial is `roundoff check --against` on two runs of one cell at two batch sizes, timed by the product's own loop,
with 10,000 test images of which FP32 and the cell answer 2 % differently. Prints JSON. With --check, exits 1 and names
each target that was missed. --quick does a twentieth of the work: its rates are too coarse for the targets.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from benchmarks.gate.simulated import rates
from benchmarks.targets import run

RUNS = 100  # of three trials each
TARGETS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "A/A: red in at most 2.5 % of trials": lambda r: r["aa"]["fail"] <= 0.025,
    "3 % less speed-up at one of two batch sizes: red in at least 95 %": lambda r: r["slow_3"]["fail"] >= 0.95,
    "1 point more paired drop: red in at least 95 %": lambda r: r["drop_1"]["fail"] >= 0.95,
}


def measure(scale: float) -> dict[str, Any]:
    """The rates by case."""
    return {**rates(max(1, round(RUNS * scale)))}


if __name__ == "__main__":
    sys.exit(run("benchmarks.gate", __doc__, measure, TARGETS, sys.argv[1:]))
