"""The timing loop on engines of known speed and a clock of their own."""

import gc
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from roundoff.backend.base import Binding
from roundoff.measurement.energy import Monitor
from roundoff.measurement.samples import paired_speedup
from roundoff.measurement.timing import MOST_REPEATS, Interleaved, Schedule
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


def timed(ms, schedule=SCHEDULE, references=None, monitor=None, **bench):
    made = Bench(ms, **bench)
    pairs = {name: "a" for name in ms if name != "a"} if references is None else references
    monitor = monitor or BLIND
    loop = Interleaved(list(ms), made.fresh, pairs, schedule, monitor, seed=0, clock=lambda: made.clock.now)
    timings = loop.run()
    assert made.open == 0
    return loop, timings, made


def streamed(bench):
    """Names in the order timed, warm-up left out: `stream` of one run belongs to it."""
    return [name for name, kind, runs in bench.clock.log if kind == "stream" and runs > 1]


def test_every_round_has_every_engine_in_changing_order():
    _, timings, bench = timed({"a": 1.0, "b": 1.0, "c": 1.0})
    names = streamed(bench)
    rounds = [tuple(names[i : i + 3]) for i in range(0, len(names), 3)]
    assert len(rounds) == len(timings["a"].blocks)
    assert {frozenset(order) for order in rounds} == {frozenset("abc")}
    assert len(set(rounds)) > 1


def test_engines_are_loaded_anew_in_changing_order():
    loop, timings, bench = timed({"a": 1.0, "b": 1.0, "c": 1.0})
    assert len(bench.loads) == loop.loads >= SCHEDULE.min_loads
    assert {frozenset(order) for order in bench.loads} == {frozenset("abc")}
    assert len(set(bench.loads)) > 1
    assert list(np.unique(timings["a"].round_load)) == list(range(loop.loads))


def test_the_speedup_is_the_ratio():
    _, timings, _ = timed({"a": 2.0, "b": 1.0})
    found = paired_speedup(timings["a"], timings["b"])
    assert (found.low, found.value, found.high) == pytest.approx((2, 2, 2))
    assert timings["b"].stop_reason == "target"


def test_the_interval_holds_the_difference_between_loads():
    """Rounds of one load agree to the last digit; the interval must not be fooled by that."""
    _, timings, _ = timed({"a": 1.0, "b": 1.0}, load_noise=0.02)
    found = paired_speedup(timings["a"], timings["b"])
    assert found.high - found.low > 0.005
    assert found.low < 1 < found.high


def test_warm_up_is_long_enough_and_not_counted():
    _, timings, bench = timed({"a": 0.5})
    before = next(i for i, entry in enumerate(bench.clock.log[2:], 2) if entry[1] == "end_to_end")
    warm_up = [runs for _, kind, runs in bench.clock.log[: before - 1] if kind == "device"]
    assert sum(warm_up) * 0.5 >= SCHEDULE.warmup_ms
    assert sum(warm_up) >= SCHEDULE.warmup_runs
    assert len(timings["a"].device_ms) == sum(block.stream_runs for block in timings["a"].blocks)


def test_slow_engines_warm_up_ten_runs_once_and_take_two_rounds_a_load():
    loop, timings, bench = timed({"a": 100.0})
    before = next(i for i, entry in enumerate(bench.clock.log[2:], 2) if entry[1] == "end_to_end")
    assert sum(runs for _, kind, runs in bench.clock.log[: before - 1] if kind == "device") >= SCHEDULE.warmup_runs
    assert len(timings["a"].blocks) == 2 * loop.loads


def test_a_slow_engine_does_not_keep_the_fast_ones_from_their_time():
    """A load with few rounds, for its sake, gives the others longer slices, so that no further loads are needed."""
    schedule = replace(SCHEDULE, rounds_per_load=20)
    loop, timings, _ = timed({"a": 0.2, "b": 0.3, "slow": 70.0}, schedule=schedule)
    assert loop.loads == schedule.min_loads
    assert all(timing.seconds >= schedule.min_seconds for timing in timings.values())
    assert len(timings["slow"].blocks) == 2 * loop.loads


def rounds_by_load(timing):
    return list(np.unique(timing.round_load, return_counts=True)[1])


def test_loads_have_all_rounds_again_once_the_slow_engine_has_settled():
    schedule = replace(SCHEDULE, rounds_per_load=20, min_seconds=1, budget_seconds=60)
    _, timings, _ = timed({"a": 0.5, "wild": 0.5, "slow": 70.0}, schedule=schedule, noise={"wild": 0.5})
    assert timings["slow"].stop_reason == "target"
    rounds = rounds_by_load(timings["wild"])
    assert (rounds[0], rounds[-1]) == (2, 20)


def test_transfers_that_take_longer_than_the_engine_are_planned_for(monkeypatch):
    """The warm-up knows the device-only mode alone, the second load all."""
    monkeypatch.setattr(Engine, "end_to_end", lambda self, runs: sum(self.times("end_to_end", runs) for _ in range(9)))
    schedule = replace(SCHEDULE, rounds_per_load=20, min_seconds=3)
    loop, timings, _ = timed({"a": 0.2, "b": 0.3}, schedule=schedule)
    assert loop.loads == schedule.min_loads
    assert all(timing.seconds < 2 * schedule.min_seconds for timing in timings.values())


def test_a_first_load_on_a_busy_machine_does_not_set_the_pace_for_all():
    schedule = replace(SCHEDULE, rounds_per_load=20, min_seconds=3)
    loop, timings, _ = timed({"a": 0.2, "b": 0.3}, schedule=schedule, first_load=20.0)
    assert loop.loads <= schedule.min_loads + 1
    assert rounds_by_load(timings["a"])[-1] == 20


def test_engines_that_are_no_slower_than_their_slices_take_all_rounds():
    loop, timings, _ = timed({"a": 0.2, "b": 0.3}, schedule=replace(SCHEDULE, rounds_per_load=20, min_seconds=3))
    assert len(timings["a"].blocks) == 20 * loop.loads


def test_minimum_duration_and_loads_hold_even_over_budget():
    loop, timings, _ = timed({"a": 1.0, "b": 30.0}, schedule=replace(SCHEDULE, budget_seconds=0.01))
    assert loop.loads >= SCHEDULE.min_loads
    assert all(timing.seconds >= SCHEDULE.min_seconds for timing in timings.values())


@pytest.mark.parametrize("slow_ms", [1.3, 6.0, 30.0])
def test_the_minimum_is_of_counted_runs_alone_and_takes_no_further_loads(slow_ms):
    """A slow engine's slice has one counted run of each mode beside two that are not."""
    schedule = replace(SCHEDULE, rounds_per_load=20, min_seconds=3, min_loads=20)
    loop, timings, _ = timed({"a": 0.2, "slow": slow_ms}, schedule=schedule)
    slow = timings["slow"]
    streamed_s = sum(block.stream_s for block in slow.blocks)
    assert slow.seconds == pytest.approx((slow.device_ms.sum() + slow.end_to_end_ms.sum()) / 1e3 + streamed_s)
    assert schedule.min_seconds <= slow.seconds < 2 * schedule.min_seconds
    assert loop.loads == schedule.min_loads


def test_the_two_latencies_take_turns_at_going_first():
    """Which runs first in a slice finds another engine's caches."""
    _, timings, bench = timed({"a": 1.0, "b": 1.0})
    counted = timings["a"].blocks[0].stream_runs
    kinds = [kind for name, kind, runs in bench.clock.log if name == "a" and kind != "stream" and runs > counted]
    slices = [tuple(kinds[i : i + 2]) for i in range(kinds.index("end_to_end") - 1, len(kinds), 2)]
    assert set(slices[::2]) == {("device", "end_to_end")}
    assert set(slices[1::2]) == {("end_to_end", "device")}


def test_noise_takes_more_loads_until_the_interval_is_narrow():
    quiet, _, _ = timed({"a": 1.0, "b": 1.0}, load_noise=0.001)
    schedule = replace(SCHEDULE, budget_seconds=60)
    noisy, timings, _ = timed({"a": 1.0, "b": 1.0}, load_noise=0.015, schedule=schedule)
    assert noisy.loads > 2 * quiet.loads
    found = paired_speedup(timings["a"], timings["b"])
    assert timings["b"].stop_reason == "target"
    assert found.high / found.value - 1 <= 0.01
    assert 1 - found.low / found.value <= 0.01


def test_the_budget_ends_what_cannot_be_settled():
    schedule = replace(SCHEDULE, budget_seconds=5)
    _, timings, bench = timed({"a": 1.0, "b": 1.0}, load_noise=0.5, schedule=schedule)
    assert timings["b"].stop_reason == "budget"
    assert 5 <= bench.clock.now < 6


def test_settled_engines_leave_and_their_reference_stays():
    ms = {"a": 1.0, "calm": 1.0, "wild": 1.0}
    _, timings, _ = timed(ms, noise={"wild": 0.1}, references={"calm": "a", "wild": "a"})
    assert len(timings["calm"].blocks) < len(timings["wild"].blocks) == len(timings["a"].blocks)
    assert timings["calm"].stop_reason == "target"


def test_an_engine_with_nothing_to_compare_gets_the_minimum():
    loop, timings, _ = timed({"a": 1.0}, load_noise=0.3)
    assert timings["a"].stop_reason == "minimum"
    assert loop.loads <= SCHEDULE.min_loads + 3


def test_what_does_not_fit_beside_the_others_is_left_out():
    loop, timings, _ = timed({"a": 1.0, "b": 1.0, "huge": 1.0}, too_large=("huge",))
    assert set(timings) == {"a", "b"}
    assert set(loop.references) == {"b"}


def test_what_no_longer_fits_is_left_out_and_the_others_end_in_time():
    loop, timings, bench = timed({"a": 1.0, "b": 1.0, "lost": 1.0}, lost={"lost": 2}, load_noise=0.002)
    assert set(timings) == {"a", "b"}
    assert set(loop.references) == {"b"}
    assert all("lost" not in names for names in bench.loads[3:])
    assert bench.clock.now < SCHEDULE.budget_seconds + 1


def test_a_lost_reference_leaves_its_candidates_with_nothing_to_compare():
    loop, timings, _ = timed({"a": 1.0, "b": 1.0}, lost={"a": 3})
    assert set(timings) == {"b"}
    assert loop.references == {}


@pytest.mark.parametrize("slow_ms", [3.0, 60.0])
def test_cold_first_runs_do_not_favour_the_faster_engine(slow_ms):
    """A slow engine has one or two runs a round, a fast one many: neither counts its first."""
    _, timings, _ = timed({"a": slow_ms, "b": 1.0}, cold=1.2)
    assert paired_speedup(timings["a"], timings["b"]).value == pytest.approx(slow_ms)


@pytest.mark.parametrize("slow_ms", [0.05, 0.15])
def test_runs_in_the_half_millisecond_after_another_engines_are_not_counted(slow_ms):
    """However few runs of a fast engine a slice holds."""
    _, timings, _ = timed({"a": slow_ms, "b": 0.05}, replace(SCHEDULE, min_seconds=0.01), cold=1.2, cold_ms=0.4)
    assert paired_speedup(timings["a"], timings["b"]).value == pytest.approx(slow_ms / 0.05)
    assert timings["a"].device_ms.max() < 1.1 * slow_ms


class Throttling(Monitor):
    """Says that something changed at the readings given."""

    def __init__(self, at):
        super().__init__(verbatim("simulated"))
        self.readings, self.at = -1, at

    def disturbed(self):
        self.readings += 1
        return self.readings in self.at


def test_no_garbage_is_collected_in_a_round(monkeypatch):
    collecting: dict[str, list[bool]] = {}
    times = Engine.times

    def look(self, kind, runs, factor=1):
        collecting.setdefault(kind, []).append(gc.isenabled())
        return times(self, kind, runs, factor)

    monkeypatch.setattr(Engine, "times", look)
    loop, timings, _ = timed({"a": 1.0})
    rounds = len(timings["a"].blocks)
    assert collecting["end_to_end"].count(False) == rounds
    assert collecting["end_to_end"].count(True) == loop.loads  # of the warm-up
    assert gc.isenabled()


def test_a_disturbed_round_is_repeated_and_not_counted():
    loop, timings, bench = timed({"a": 1.0, "b": 2.0}, monitor=Throttling({2, 3}))
    assert loop.repeated_rounds == 2
    assert len(streamed(bench)) == 2 * (len(timings["a"].blocks) + 2)


def test_a_device_that_never_settles_ends_all_the_same():
    loop, timings, _ = timed({"a": 1.0}, monitor=Throttling(set(range(10_000))))
    assert loop.repeated_rounds == MOST_REPEATS * len(timings["a"].blocks)


def test_the_share_of_the_budget_is_reported():
    bench = Bench({"a": 1.0})
    seen: list[float] = []
    loop = Interleaved(["a"], bench.fresh, {}, SCHEDULE, BLIND, 0, lambda: bench.clock.now)
    loop.run(seen.append)
    assert seen == sorted(seen)
    assert len(seen) == loop.loads


def test_between_loads_others_may_work_and_their_seconds_are_not_counted():
    made, lent = Bench({"a": 1.0, "b": 1.0}, load_noise=0.1), []

    def lend():
        assert made.open == 0  # no engine is loaded meanwhile
        made.clock.now += 100
        lent.append(100.0)
        return 100.0

    loop = Interleaved(["a", "b"], made.fresh, {"b": "a"}, SCHEDULE, BLIND, seed=0, clock=lambda: made.clock.now)
    loop.between_loads = lend
    loop.run()
    undisturbed = Bench({"a": 1.0, "b": 1.0}, load_noise=0.1)
    other = Interleaved(
        ["a", "b"], undisturbed.fresh, {"b": "a"}, SCHEDULE, BLIND, seed=0, clock=lambda: undisturbed.clock.now
    )
    other.run()
    assert loop.loads == other.loads > SCHEDULE.min_loads
    assert loop.timings["b"].stop_reason == "budget"
    assert len(lent) == loop.loads - 1  # not behind the last


class TestEarly:
    """With `early_loads` an entry stops as soon as its speed-up is known, by an interval that allows for looking."""

    SCHEDULE = replace(SCHEDULE, min_loads=20, min_seconds=2.0, early_loads=8)

    def run(self, noise, shaky_ms=1.0, **changes):
        ms, references = {"fp32": 1.0, "steady": 0.5, "shaky": shaky_ms}, {"steady": "fp32", "shaky": "fp32"}
        return timed(ms, replace(self.SCHEDULE, **changes), references, noise=noise)[0]

    def test_steady_entries_stop_after_eight_loads_and_say_so(self):
        loop = self.run({})
        assert loop.loads == 8
        assert {timing.stop_reason for timing in loop.timings.values()} == {"early"}
        found = paired_speedup(loop.timings["fp32"], loop.timings["steady"])
        ratios = loop.timings["steady"].by_load(loop.timings["fp32"].round_ms / loop.timings["steady"].round_ms)
        assert (found.low, found.high) == (ratios.min(), ratios.max())

    def test_a_shaky_entry_goes_on_with_its_reference_alone(self):
        loop = self.run({"shaky": 0.03}, budget_seconds=60)
        loads = {name: len(np.unique(timing.round_load)) for name, timing in loop.timings.items()}
        assert loads["steady"] == 8
        assert loads["shaky"] == loads["fp32"] == loop.loads > 8
        found = paired_speedup(loop.timings["fp32"], loop.timings["shaky"])
        assert max(found.high / found.value - 1, 1 - found.low / found.value) <= 0.01

    def test_what_is_clearly_faster_need_be_known_to_three_times_the_width_only(self):
        near, far = (self.run({"shaky": 0.05}, ms, budget_seconds=60) for ms in (1.0, 0.5))
        assert 8 < far.loads < near.loads
        found = paired_speedup(far.timings["fp32"], far.timings["shaky"])
        assert 0.01 < max(found.high / found.value - 1, 1 - found.low / found.value) <= 0.03

    def test_a_load_is_half_as_long(self):
        early, whole = self.run({}), self.run({}, early_loads=None)
        seconds = [loop.timings["fp32"].seconds / loop.loads for loop in (early, whole)]
        assert seconds[0] / seconds[1] == pytest.approx(0.5, abs=0.1)

    def test_the_budget_ends_it(self):
        loop = self.run({"shaky": 0.5}, budget_seconds=1.0)
        assert loop.timings["shaky"].stop_reason == "budget"
        assert loop.timings["steady"].stop_reason == "early"

    def test_what_has_the_minimum_met_its_target(self):
        assert {t.stop_reason for t in self.run({}, min_loads=2, min_seconds=0.1).timings.values()} <= {
            "target",
            "minimum",
        }

    def test_an_entry_without_reference_is_timed_for_the_minimum(self):
        loop, _, _ = timed({"alone": 1.0}, self.SCHEDULE, {})
        assert loop.loads >= 20
        assert (loop.timings["alone"].stop_reason, loop.timings["alone"].seconds >= 2.0) == ("minimum", True)
