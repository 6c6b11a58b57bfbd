"""Races on a simulated machine, FP32 against one candidate each, that end as soon as it is known who is faster."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.early.times import seconds
from benchmarks.verdict.called import CANDIDATE, CONTROL, FP32, speedup
from benchmarks.verdict.simulated import PAIRS, simulated
from roundoff.measurement.anytime import FEWEST_FOR_SEQUENCE
from roundoff.measurement.race import Entrants
from roundoff.measurement.timing import Interleaved

CASES = {"the same engine twice": 1.0, "3 % slower": 1.03, "1.4 times as fast": 1 / 1.4}
"""The candidate's slow-down."""


def races(runs: int) -> list[dict[str, Any]]:
    """How often a race is decided, and wrongly, and the seconds saved; six races a run."""
    return [_case(name, slowdown, runs) for name, slowdown in CASES.items()]


def _case(name: str, slowdown: float, runs: int) -> dict[str, Any]:
    seeds = range(30_000, 30_000 + runs)
    loops = [_timed(seed, slowdown, early_loads=FEWEST_FOR_SEQUENCE) for seed in seeds]
    whole = [_timed(seed, slowdown) for seed in seeds[: max(5, runs // 10)]]
    called = [_called(loop, pair) for loop in loops for pair in range(PAIRS)]
    right = 1 if slowdown < 1 else -1 if slowdown > 1 else 0
    found = [speedup(loop, f"{CANDIDATE}{pair}") for loop in loops for pair in range(PAIRS)]
    of_early, of_whole = (float(np.mean([seconds(loop) for loop in each])) for each in (loops, whole))
    return {
        "candidate": name,
        "races": len(called),
        "decided": float(np.mean([each != 0 for each in called])),
        "decided_wrongly": float(np.mean([each not in (0, right) for each in called])),
        "covers": float(np.mean([not one.excludes(1 / slowdown) for one in found])),
        "median_loads": float(np.median([loop.loads for loop in loops])),
        "seconds": of_early,
        "seconds_of_whole": of_whole,
        "seconds_saved": 1 - of_early / of_whole,
    }


def _timed(seed: int, slowdown: float, **changes: Any) -> Interleaved:
    loop = simulated(seed, slowdown, **changes)
    entries = {f"{kind}{pair}": pair for pair in range(PAIRS) for kind in (FP32, CANDIDATE)}
    controls = {f"{CONTROL}{number}": number for number in range(2)}
    racers = frozenset(entries)
    loop.entrants = Entrants(entries | controls, racers, racers, dict.fromkeys(range(PAIRS), f"{CONTROL}0"))
    loop.run()
    return loop


def _called(loop: Interleaved, pair: int) -> int:
    """1 where the candidate is called faster, -1 where FP32 is, 0 where neither is."""
    race, fp32, candidate = loop.race(), f"{FP32}{pair}", f"{CANDIDATE}{pair}"
    return int(race.faster(candidate, fp32)) - int(race.faster(fp32, candidate))
