"""Speed verdicts on a simulated machine: how often they are right, and how often the intervals cover."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.verdict.called import CANDIDATE, CONTROL, FP32, UNWATCHED, called, speedup
from roundoff.backend.base import Binding, Logits, Milliseconds
from roundoff.measurement.evaluate import Evaluation
from roundoff.measurement.timing import Interleaved

CASES: dict[str, tuple[float, dict[str, int]]] = {
    "aa": (1.0, {}),
    "slow_1": (1.01, {}),
    "slow_3": (1.03, {}),
    "fast_40": (1 / 1.4, {}),
    "slow_3_in_6_loads_of_5_rounds": (1.03, {"min_loads": 6, "rounds_per_load": 5}),
}
"""The candidate's slow-down, and what differs from the schedule that ships."""

PAIRS = 6  # with their references and two controls, as many entries as the default job times: 14


@dataclass
class Machine:
    """A simulated machine: a clock, and disturbances that drift, come in bursts and differ from block to block."""

    seed: int
    now: float = 0.0
    drift: float = 0.0
    random: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)

    def times(self, nominal_ms: float, runs: int) -> Milliseconds:
        """Run times of one block: shared drift (±3 %), the block's own (±1 %), bursts in 5 % of blocks, skewed runs."""
        self.drift = 0.9 * self.drift + self.random.normal(0, 0.03 * np.sqrt(1 - 0.9**2))
        own = self.random.normal(0, 0.01) + (self.random.uniform(0.02, 0.3) if self.random.random() < 0.05 else 0)
        skewed = 1 + self.random.lognormal(-4, 1, runs)
        times = nominal_ms * np.exp(self.drift + own) * skewed
        self.now += times.sum() / 1e3
        return np.asarray(times)

    def loaded(self, nominal_ms: float) -> float:
        """The speed of an engine as one load of it turns out: ±0.4 %, as was seen on ONNX Runtime."""
        return nominal_ms * float(np.exp(self.random.normal(0, 0.004)))


@dataclass
class Simulated(Binding):
    """An engine of known speed on a simulated machine."""

    machine: Machine
    nominal_ms: float
    batch_size: int = 1

    def device_only(self, runs: int) -> Milliseconds:
        return self.machine.times(self.nominal_ms, runs)

    def end_to_end(self, runs: int) -> Milliseconds:
        return self.machine.times(self.nominal_ms, runs)

    def stream(self, runs: int) -> float:
        return float(self.machine.times(self.nominal_ms, runs).sum() / 1e3)

    def poison(self) -> None:
        raise NotImplementedError

    def outputs(self, transfers: bool) -> list[Logits]:
        raise NotImplementedError


def simulated(seed: int, slowdown: float, **changes: Any) -> Interleaved:
    """The product's own timing loop and schedule over 14 engines of known speed, on a simulated machine."""
    machine = Machine(seed)
    nominal_ms = {f"{FP32}{i}": 2.0 for i in range(PAIRS)} | {f"{CANDIDATE}{i}": 2.0 * slowdown for i in range(PAIRS)}
    nominal_ms |= {f"{CONTROL}{i}": 2.0 for i in range(2)}
    references = {
        f"{name}{i}": f"{FP32}{i}" for name, count in ((CANDIDATE, PAIRS), (CONTROL, 2)) for i in range(count)
    }

    @contextmanager
    def fresh(names: Sequence[str]) -> Iterator[Mapping[str, Binding]]:
        yield {name: Simulated(machine, machine.loaded(nominal_ms[name])) for name in names}

    schedule = replace(Evaluation().schedule(), **changes)
    return Interleaved(list(nominal_ms), fresh, references, schedule, UNWATCHED, seed, lambda: machine.now)


def speed(runs: int) -> dict[str, Any]:
    """How often the same engine is called different, and slow-downs are found; `runs` runs of six comparisons each."""
    found = {}
    for name, (slowdown, changes) in CASES.items():
        loops = [simulated(seed, slowdown, **changes) for seed in range(runs)]
        for loop in loops:
            loop.run()
        timings = [loop.timings[f"{CANDIDATE}{pair}"] for loop in loops for pair in range(PAIRS)]
        found[name] = {
            **called(loops, range(PAIRS)),
            "runs": runs,
            "met_target": float(np.mean([timing.stop_reason == "target" for timing in timings])),
            "median_loads": float(np.median([loop.loads for loop in loops])),
            "median_seconds": float(np.median([_spent(loop) for loop in loops])),
        }
    return found


def _spent(loop: Interleaved) -> float:
    """Seconds that its rounds took."""
    return sum(block.seconds for timing in loop.timings.values() for block in timing.blocks)


def coverage(runs: int) -> dict[str, Any]:
    """How often the interval holds the true speed-up, beside the percentile bootstrap's on the same rounds."""
    found = {}
    for name, slowdown in (("aa", 1.0), ("slow_3", 1.03)):
        ours = bootstrap = 0
        for seed in range(10_000, 10_000 + runs):
            loop = simulated(seed, slowdown)
            loop.run()
            for pair in range(PAIRS):
                ours += not speedup(loop, f"{CANDIDATE}{pair}").excludes(1 / slowdown)
                low, high = np.quantile(_resampled_medians(_round_ratios(loop, pair), seed), (0.025, 0.975))
                bootstrap += bool(low <= 1 / slowdown <= high)
        compared = runs * PAIRS
        found[name] = {
            "exact_over_loads": ours / compared,
            "bootstrap_over_rounds": bootstrap / compared,
            "runs": runs,
            "comparisons": compared,
        }
    return found


def _round_ratios(loop: Interleaved, pair: int) -> NDArray[np.float64]:
    reference, candidate = loop.timings[f"{FP32}{pair}"], loop.timings[f"{CANDIDATE}{pair}"]
    shared = np.isin(reference.round_load, candidate.round_load)
    return np.asarray(reference.round_ms[shared] / candidate.round_ms)


def _resampled_medians(values: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    picks = np.random.default_rng(seed).integers(0, len(values), (1000, len(values)))
    return np.asarray(np.median(values[picks], axis=1))
