"""The timing loop on engines of known speed and a clock of their own."""

import gc
from dataclasses import replace

import numpy as np
import pytest

from roundoff.measurement.energy import Monitor
from roundoff.measurement.samples import paired_speedup
from roundoff.measurement.timing import MOST_REPEATS, Interleaved
from roundoff.results.message import verbatim
from tests.support.timed import BLIND, SCHEDULE, Bench, Engine, timed


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


def test_a_first_load_that_falls_short_is_made_up_for_and_costs_no_further_load():
    """Runs that meet cold caches, as those of a warm-up's blocks do, made it believe in slower ones."""
    schedule = replace(SCHEDULE, min_seconds=3.0, budget_seconds=60, min_loads=20, rounds_per_load=20)
    loop, timings, _ = timed({"a": 0.02, "b": 0.03}, schedule=schedule, cold=4.0, cold_ms=0.5)
    assert loop.loads == schedule.min_loads
    assert all(schedule.min_seconds <= timing.seconds < 1.2 * schedule.min_seconds for timing in timings.values())


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
