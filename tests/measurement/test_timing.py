"""The timing loop on engines of known speed and a clock of their own."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from roundoff.backend.base import Bound
from roundoff.measurement.energy import Monitor
from roundoff.measurement.timing import Interleaved, Schedule, paired_speedup

SCHEDULE = Schedule(warmup_ms=20, warmup_runs=10, min_seconds=0.3, budget_seconds=5, min_rounds=6, interval_target=0.01)


@dataclass
class Clock:
    now: float = 0.0
    log: list = field(default_factory=list)


@dataclass
class Engine(Bound):
    """Takes `ms` per run, give or take `noise`; writes down what is asked of it."""

    name: str
    clock: Clock
    ms: float
    noise: float = 0.0
    batch_size: int = 1
    seed: int = 0

    def __post_init__(self):
        self.random = np.random.default_rng(self.seed)

    def times(self, kind, runs):
        times = self.ms * np.exp(self.random.normal(0, self.noise) + np.zeros(runs))
        self.clock.now += times.sum() / 1e3
        self.clock.log.append((self.name, kind, runs))
        return times

    def device_only(self, runs):
        return self.times("device", runs)

    def end_to_end(self, runs):
        return 2 * self.times("end_to_end", runs)

    def stream(self, runs):
        return float(self.times("stream", runs).sum() / 1e3)

    def poison(self):
        raise AssertionError("not part of timing")

    def outputs(self):
        raise AssertionError("not part of timing")


def timed(ms, noise=0.0, schedule=SCHEDULE, references=None, monitor=None):
    clock = Clock()
    engines = {name: Engine(name, clock, value, noise, seed=i) for i, (name, value) in enumerate(ms.items())}
    pairs = {name: "a" for name in ms if name != "a"} if references is None else references
    loop = Interleaved(engines, pairs, schedule, monitor or Monitor("none"), seed=0, clock=lambda: clock.now)
    return loop, loop.run(), clock


def test_every_round_has_every_engine_in_changing_order():
    loop, _, clock = timed({"a": 1.0, "b": 1.0, "c": 1.0})
    streams = [name for name, kind, runs in clock.log if kind == "stream"][3:]
    rounds = [tuple(streams[i : i + 3]) for i in range(0, len(streams), 3)]
    assert len(rounds) == loop.rounds >= SCHEDULE.min_rounds
    assert {frozenset(order) for order in rounds} == {frozenset("abc")}
    assert len(set(rounds)) > 1


def test_the_speedup_is_the_ratio():
    _, timings, _ = timed({"a": 2.0, "b": 1.0})
    found = paired_speedup(timings["a"], timings["b"])
    assert (found.low, found.value, found.high) == pytest.approx((2, 2, 2))
    assert timings["b"].stopped == "target"


def test_warm_up_is_long_enough_and_not_counted():
    _, timings, clock = timed({"a": 0.5})
    first_block = next(i for i, entry in enumerate(clock.log[2:]) if entry[1] == "end_to_end") + 1
    warm_up = [runs for _, kind, runs in clock.log[:first_block] if kind == "device"]
    assert sum(warm_up) * 0.5 >= SCHEDULE.warmup_ms
    assert sum(warm_up) >= SCHEDULE.warmup_runs
    counted = sum(runs - 1 for _, kind, runs in clock.log[first_block:] if kind == "device")
    assert len(timings["a"].device_ms) == counted


def test_slow_engines_warm_up_ten_runs():
    _, _, clock = timed({"a": 100.0})
    first = next(i for i, entry in enumerate(clock.log[2:], 2) if entry[1] == "end_to_end")
    assert sum(runs for _, kind, runs in clock.log[: first - 1] if kind == "device") >= SCHEDULE.warmup_runs


def test_minimum_duration_and_rounds_hold_even_over_budget():
    _, timings, _ = timed({"a": 1.0, "b": 30.0}, schedule=replace(SCHEDULE, budget_seconds=0.01))
    for timing in timings.values():
        assert timing.seconds >= SCHEDULE.min_seconds
        assert timing.rounds >= SCHEDULE.min_rounds


def test_noise_takes_more_rounds_until_the_interval_is_narrow():
    quiet, _, _ = timed({"a": 1.0, "b": 1.0}, noise=0.001)
    noisy, timings, _ = timed({"a": 1.0, "b": 1.0}, noise=0.02, schedule=replace(SCHEDULE, budget_seconds=60))
    assert noisy.rounds > 2 * quiet.rounds
    found = paired_speedup(timings["a"], timings["b"])
    assert timings["b"].stopped == "target"
    assert found.high / found.value - 1 <= 0.01
    assert 1 - found.low / found.value <= 0.01


def test_the_budget_ends_what_cannot_be_settled():
    schedule = replace(SCHEDULE, budget_seconds=3)
    _, timings, clock = timed({"a": 1.0, "b": 1.0}, noise=0.5, schedule=schedule)
    assert timings["b"].stopped == "budget"
    assert 3 <= clock.now < 4.5


def test_settled_engines_leave_the_rounds_and_their_reference_stays():
    clock = Clock()
    engines = {
        "a": Engine("a", clock, 1.0),
        "calm": Engine("calm", clock, 1.0),
        "wild": Engine("wild", clock, 1.0, 0.1),
    }
    references = {"calm": "a", "wild": "a"}
    loop = Interleaved(engines, references, SCHEDULE, Monitor("none"), 0, lambda: clock.now)
    timings = loop.run()
    assert timings["calm"].rounds < timings["wild"].rounds == timings["a"].rounds


def test_an_engine_with_nothing_to_compare_gets_the_minimum():
    _, timings, _ = timed({"a": 1.0}, noise=0.3)
    assert timings["a"].stopped == "minimum"
    assert timings["a"].rounds <= SCHEDULE.min_rounds + 2


class Throttling(Monitor):
    """Reports a change of throttle reasons in the rounds given, the reading before the first round not counted."""

    def __init__(self, disturbed):
        super().__init__("simulated")
        self.readings, self.at = -1, disturbed

    def disturbed(self):
        self.readings += 1
        return self.readings in self.at


def test_a_disturbed_round_is_repeated():
    loop, timings, clock = timed({"a": 1.0, "b": 2.0}, monitor=Throttling({2, 3}))
    assert loop.repeated_rounds == 2
    streams = [name for name, kind, _ in clock.log if kind == "stream"]
    assert len(streams) == 2 * (1 + loop.rounds + 2)
    assert timings["a"].rounds == loop.rounds


def test_a_device_that_never_settles_ends_all_the_same():
    loop, _, _ = timed({"a": 1.0}, monitor=Throttling(set(range(1000))))
    assert loop.repeated_rounds == 4 * loop.rounds


def test_the_share_of_the_budget_is_reported():
    clock, seen = Clock(), []
    loop = Interleaved({"a": Engine("a", clock, 1.0)}, {}, SCHEDULE, Monitor("none"), 0, lambda: clock.now)
    loop.run(seen.append)
    assert seen == sorted(seen)
    assert len(seen) == loop.rounds
