"""The timing loop on engines of known speed and a clock of their own."""

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from roundoff.backend.base import Binding
from roundoff.measurement.energy import Monitor
from roundoff.measurement.enough import Schedule
from roundoff.measurement.race import Entrants
from roundoff.measurement.timing import Interleaved
from roundoff.results.message import verbatim

SCHEDULE = Schedule(
    warmup_ms=20,
    warmup_runs=10,
    min_seconds=0.3,
    budget_seconds=5,
    min_loads=6,
    rounds_per_load=4,
    interval_target=0.01,
)


BLIND = Monitor(verbatim("none"))


@dataclass
class Clock:
    now: float = 0.0
    log: list[Any] = field(default_factory=list)


@dataclass
class Engine(Binding):
    """Takes `ms` per run, give or take `noise`; writes down what is asked of it."""

    name: str
    clock: Clock
    ms: float
    noise: float = 0.0
    batch_size: int = 1
    seed: int = 0
    cold: float = 1.0
    cold_ms: float = 0.0

    def __post_init__(self):
        self.random = np.random.default_rng(self.seed)

    def times(self, kind, runs, factor=1):
        times = factor * self.ms * np.exp(self.random.normal(0, self.noise) + np.zeros(runs))
        times[times.cumsum() - times <= self.cold_ms] *= self.cold
        self.clock.now += times.sum() / 1e3
        self.clock.log.append((self.name, kind, runs))
        return times

    def device_only(self, runs):
        return self.times("device", runs)

    def end_to_end(self, runs):
        return self.times("end_to_end", runs, factor=2)

    def stream(self, runs):
        return float(self.times("stream", runs).sum() / 1e3)

    def poison(self):
        raise AssertionError("not part of timing")

    def outputs(self, transfers):
        raise AssertionError("not part of timing")


@dataclass
class Bench:
    """Loads engines of the speeds given, each load off by `load_noise`; writes down what is loaded."""

    ms: dict[str, float]
    noise: dict[str, Any] = field(default_factory=dict)
    load_noise: float = 0.0
    first_load: float = 1.0  # all are so many times slower in the first load
    too_large: tuple[str, ...] = ()
    lost: dict[str, int] = field(default_factory=dict)  # names that no longer fit from that load on
    cold: float = 1.0
    cold_ms: float = 0.0
    clock: Clock = field(default_factory=Clock)
    loads: list[Any] = field(default_factory=list)
    open: int = 0

    @contextmanager
    def fresh(self, names):
        random = np.random.default_rng(len(self.loads))
        self.loads.append(tuple(names))
        self.open += 1
        made = {}
        for name in names:
            if name not in self.too_large and len(self.loads) <= self.lost.get(name, 10**9):
                ms = self.ms[name] * np.exp(random.normal(0, self.load_noise))
                ms *= self.first_load if len(self.loads) == 1 else 1
                seed = 1000 * list(self.ms).index(name) + len(self.loads)
                noise, cold = self.noise.get(name, 0.0), (self.cold, self.cold_ms)
                made[name] = Engine(name, self.clock, ms, noise, 1, seed, *cold)
        yield made
        self.open -= 1


def timed(ms, schedule=SCHEDULE, references=None, monitor=None, entrants=None, **bench):
    made = Bench(ms, **bench)
    pairs = {name: "a" for name in ms if name != "a"} if references is None else references
    monitor = monitor or BLIND
    loop = Interleaved(list(ms), made.fresh, pairs, schedule, monitor, seed=0, clock=lambda: made.clock.now)
    loop.entrants = entrants or Entrants()
    timings = loop.run()
    assert made.open == 0
    return loop, timings, made
