"""Races on a simulated machine that end as soon as it is known who is faster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np

from benchmarks.early.times import seconds
from benchmarks.verdict.called import CANDIDATE, CONTROL, FP32
from benchmarks.verdict.simulated import PAIRS, simulated
from roundoff.measurement.anytime import FEWEST_FOR_SEQUENCE
from roundoff.measurement.race import Entrants
from roundoff.measurement.samples import paired_speedup
from roundoff.measurement.timing import Interleaved

CASES = {"the same engine twice": 1.0, "3 % slower": 1.03, "1.4 times as fast": 1 / 1.4}
"""FP32 against one candidate: its slow-down. Six races a run."""
CROWD = "six of one speed, 1.4 times FP32's"
"""FP32 and six candidates in one race, in which nothing but FP32 may be called slower."""
Races = Sequence[tuple[str, Sequence[str]]]
"""FP32's entry of each race, and its candidates."""


def races(runs: int) -> list[dict[str, Any]]:
    """How often races are decided, and wrongly, and the seconds saved."""
    duels = [_row(name, slowdown, runs, _duels()) for name, slowdown in CASES.items()]
    return [*duels, _row(CROWD, CASES["1.4 times as fast"], runs, _crowd())]


def _duels() -> Races:
    return [(f"{FP32}{pair}", [f"{CANDIDATE}{pair}"]) for pair in range(PAIRS)]


def _crowd() -> Races:
    return [(f"{FP32}0", [f"{CANDIDATE}{pair}" for pair in range(PAIRS)])]


def _row(name: str, slowdown: float, runs: int, held: Races) -> dict[str, Any]:
    seeds = range(30_000, 30_000 + runs)
    loops = [_timed(seed, slowdown, held, early_loads=FEWEST_FOR_SEQUENCE) for seed in seeds]
    whole = [_timed(seed, slowdown, held) for seed in seeds[: max(5, runs // 10)]]
    called = [_called(loop, fp32, candidates, slowdown) for loop in loops for fp32, candidates in held]
    pairs = [(loop, fp32, each) for loop in loops for fp32, candidates in held for each in candidates]
    found = [paired_speedup(loop.timings[fp32], loop.timings[each]) for loop, fp32, each in pairs]
    of_early, of_whole = (float(np.mean([seconds(loop) for loop in each])) for each in (loops, whole))
    return {
        "candidate": name,
        "races": len(called),
        "decided": float(np.mean([rightly for rightly, _ in called])),
        "decided_wrongly": float(np.mean([wrongly for _, wrongly in called])),
        "covers": float(np.mean([not one.excludes(1 / slowdown) for one in found])),
        "median_loads": float(np.median([loop.loads for loop in loops])),
        "seconds": of_early,
        "seconds_of_whole": of_whole,
        "seconds_saved": 1 - of_early / of_whole,
    }


def _timed(seed: int, slowdown: float, held: Races, **changes: Any) -> Interleaved:
    loop = simulated(seed, slowdown, **changes)
    sizes = {name: size for size, (fp32, candidates) in enumerate(held) for name in (fp32, *candidates)}
    loop.references = _references(held, loop.references)
    loop.names = [name for name in loop.names if name in {*sizes, *loop.references}]
    racers = frozenset(sizes)
    controls = dict.fromkeys(range(len(held)), f"{CONTROL}0")
    loop.entrants = Entrants({f"{CONTROL}{pair}": pair for pair in range(2)} | sizes, racers, racers, controls)
    loop.begin()
    loop.run()
    return loop


def _references(held: Races, before: Mapping[str, str]) -> dict[str, str]:
    """Of the candidates their race's FP32, and of the controls that are compared with one of these."""
    own = {name: fp32 for fp32, candidates in held for name in candidates}
    wide = {fp32 for fp32, _ in held}
    return own | {name: fp32 for name, fp32 in before.items() if name.startswith(CONTROL) and fp32 in wide}


def _called(loop: Interleaved, fp32: str, candidates: Sequence[str], slowdown: float) -> tuple[bool, bool]:
    """Whether all differences that there are were found, and whether one was called that is none or is the other."""
    race, nominal = loop.race(), {fp32: 1.0} | dict.fromkeys(candidates, slowdown)
    pairs = list(permutations(nominal, 2))
    rightly = all(race.faster(a, b) for a, b in pairs if nominal[a] < nominal[b])
    wrongly = any(race.faster(a, b) for a, b in pairs if nominal[a] >= nominal[b])
    return rightly and slowdown != 1, wrongly
