"""Pairs of runs on a simulated machine, and what the gate says of the second one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.verdict.called import CANDIDATE, CONTROL, FP32, speedup
from benchmarks.verdict.simulated import PAIRS, simulated
from roundoff.gate.gate import gate
from roundoff.measurement.accuracy import accuracy
from roundoff.measurement.statistics import Interval
from roundoff.measurement.timing import Interleaved
from roundoff.results.cell import Accuracy, Batch, CellMetrics, Speedup
from roundoff.results.message import Words
from roundoff.results.platform import Cpu, Platform
from roundoff.results.run import AaControl, Device, Method, Metrics
from roundoff.revisions.revision import Snapshot
from roundoff.system.progress import progress_bar
from roundoff.verdict.decide import decide
from roundoff.verdict.requirements import Target

CELL, REFERENCE = "int8/here", "fp32/here"
SAMPLES, FP32_RIGHT, FLIPPED = 10_000, 0.92, 0.02
BATCHES = (1, 32)
# So wide that both runs hold it: what is found is found by comparison.
TARGET = Target(min_relative_accuracy=0.9)
SEEDS = {"before": 0, "after": 100_000, "slower": 200_000}


@dataclass(frozen=True)
class Case:
    """What got worse: the speed at the first batch size, by this factor; accuracy, by so many points."""

    slowdown: float = 1.0
    points: float = 0.0


CASES = {"aa": Case(), "slow_3": Case(slowdown=1.03), "drop_1": Case(points=1.0)}


def rates(runs: int) -> dict[str, dict[str, float]]:
    """The share of each outcome, by case; each run has as many trials as it has pairs for a cell's batch sizes."""
    with progress_bar("timing", 3 * runs) as bar:
        loops = {}
        for name, seed in SEEDS.items():
            slowdown = CASES["slow_3"].slowdown if name == "slower" else 1.0
            loops[name] = [_timed(seed + run, slowdown) for run in range(runs)]
            bar.advance(runs)
    return {name: _shares(list(_outcomes(case, loops))) for name, case in CASES.items()}


def _timed(seed: int, slowdown: float) -> Interleaved:
    loop = simulated(seed, slowdown)
    loop.run()
    return loop


def _shares(outcomes: Sequence[str]) -> dict[str, float]:
    found = {name: outcomes.count(name) / len(outcomes) for name in ("pass", "fail", "undecided")}
    return {**found, "trials": len(outcomes)}


def _outcomes(case: Case, loops: dict[str, list[Interleaved]]) -> Iterator[str]:
    random, words = np.random.default_rng(0), Words("en")
    first = loops["slower" if case.slowdown > 1 else "after"]
    for before, after, slow in zip(loops["before"], loops["after"], first, strict=True):
        for pair in range(0, PAIRS, len(BATCHES)):
            was = _run((before, before), pair, 0.0, random)
            now = _run((slow, after), pair, case.points, random)
            yield gate(now, CELL, words, was).outcome


def _run(loops: tuple[Interleaved, Interleaved], pair: int, points: float, random: np.random.Generator) -> Snapshot:
    """One run's metrics and verdict: the cell's speed at each batch size is that of a pair of the loop for it."""
    batches = {
        size: Batch(status="measured", runs=1, **_figures(speedup(loop, f"{CANDIDATE}{pair + number}")))
        for number, (size, loop) in enumerate(zip(BATCHES, loops, strict=True))
    }
    control = {
        size: Speedup(**_figures(speedup(loop, f"{CONTROL}0"))) for size, loop in zip(BATCHES, loops, strict=True)
    }
    compared = _accuracy(points, random)
    alone = replace(compared, drop=None, drop_low=None, drop_high=None)
    device = Device(cells=[REFERENCE, CELL], aa_control=AaControl(cell=REFERENCE, batches=control))
    cells = {
        REFERENCE: CellMetrics(status="measured", size_mb=1.0, accuracy=alone, batches=_fp32(loops, pair)),
        CELL: CellMetrics(status="measured", size_mb=0.3, accuracy=compared, batches=batches),
    }
    method = Method(evaluate={"chance_margin": 0.05}, chance=0.1, devices={"here": device})
    metrics = Metrics(
        platform=Platform(id="here", cpu=Cpu(model="simulated")), reference=REFERENCE, method=method, cells=cells
    )
    return Snapshot("run", None, metrics, decide(metrics, TARGET))


def _fp32(loops: tuple[Interleaved, Interleaved], pair: int) -> dict[int, Batch]:
    """FP32's own times, by which the gate knows two sessions that cannot be compared."""
    timings = [loop.timings[f"{FP32}{pair + number}"] for number, loop in enumerate(loops)]
    times = [float(np.median(timing.round_ms)) for timing in timings]
    return {size: Batch(status="measured", runs=1, device_p50_ms=ms) for size, ms in zip(BATCHES, times, strict=True)}


def _figures(found: Interval) -> dict[str, Any]:
    return {"speedup": found.value, "speedup_low": found.low, "speedup_high": found.high}


def _accuracy(points: float, random: np.random.Generator) -> Accuracy:
    """The answers of another 10,000 images: as many flips, of which more are losses where accuracy is worse."""
    lost = (FLIPPED + points / 100) / 2
    both = FP32_RIGHT - lost
    counts = random.multinomial(SAMPLES, [both, lost, FLIPPED - lost, 1 - both - FLIPPED])
    # both right, regressed, corrected, both wrong; class 0 is right
    reference, cell = (np.eye(2, dtype=np.float32)[np.repeat(wrong, counts)] for wrong in ([0, 0, 1, 1], [0, 1, 0, 1]))
    return accuracy(cell, np.zeros(SAMPLES, np.int64), reference)
