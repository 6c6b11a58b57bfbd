"""Timing on a simulated machine that ends as soon as its speed-ups are known well enough."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.verdict.called import CANDIDATE, called, speedup
from benchmarks.verdict.simulated import PAIRS, simulated
from roundoff.measurement.anytime import FEWEST_FOR_SEQUENCE
from roundoff.measurement.timing import Interleaved

CASES: dict[str, tuple[float, float]] = {"aa": (1.0, 0.03), "slow_3": (1.03, 0.03), "fast_40": (1 / 1.4, 0.01)}
"""The candidate's slow-down, and the width asked for: on this machine's loads 1 % takes more than the budget."""


def times(runs: int) -> dict[str, Any]:
    """How often intervals hold and differences are called, and the seconds saved; six comparisons a run."""
    return {name: _case(*case, runs) for name, case in CASES.items()}


def _case(slowdown: float, within: float, runs: int) -> dict[str, Any]:
    seeds, changes = range(20_000, 20_000 + runs), {"interval_target": within}
    loops = [_timed(seed, slowdown, early_loads=FEWEST_FOR_SEQUENCE, **changes) for seed in seeds]
    whole = [_timed(seed, slowdown, **changes) for seed in seeds[: max(5, runs // 10)]]
    found = [speedup(loop, f"{CANDIDATE}{pair}") for loop in loops for pair in range(PAIRS)]
    of_early, of_whole = (float(np.mean([seconds(loop) for loop in each])) for each in (loops, whole))
    return {
        **called(loops, range(PAIRS)),
        "covers": float(np.mean([not one.excludes(1 / slowdown) for one in found])),
        "comparisons": len(found),
        "median_loads": float(np.median([loop.loads for loop in loops])),
        "median_loads_of_whole": float(np.median([loop.loads for loop in whole])),
        "seconds": of_early,
        "seconds_of_whole": of_whole,
        "seconds_saved": 1 - of_early / of_whole,
    }


def _timed(seed: int, slowdown: float, **changes: Any) -> Interleaved:
    loop = simulated(seed, slowdown, **changes)
    loop.run()
    return loop


def seconds(loop: Interleaved) -> float:
    """Of all entries' runs that count."""
    return sum(timing.seconds for timing in loop.timings.values())
