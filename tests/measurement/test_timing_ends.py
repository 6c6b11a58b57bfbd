"""When the timing loop ends: settled, out of budget, out of room, or early."""

from dataclasses import replace

import numpy as np
import pytest

from roundoff.measurement.samples import paired_speedup
from roundoff.measurement.timing import Interleaved
from tests.support.timed import BLIND, SCHEDULE, Bench, timed


def test_minimum_duration_and_loads_hold_even_over_budget():
    loop, timings, _ = timed({"a": 1.0, "b": 30.0}, schedule=replace(SCHEDULE, budget_seconds=0.01))
    assert loop.loads >= SCHEDULE.min_loads
    assert all(timing.seconds >= SCHEDULE.min_seconds for timing in timings.values())


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


def test_the_share_of_the_budget_is_reported():
    bench = Bench({"a": 1.0})
    seen: list[float] = []
    loop = Interleaved(["a"], bench.fresh, {}, SCHEDULE, BLIND, 0, lambda: bench.clock.now)
    loop.run(seen.append)
    assert seen == sorted(seen)
    assert len(seen) == loop.loads


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
        """What it ends has less than the minimum, and counts as what stopped early: never as a whole run's."""
        loop = self.run({"shaky": 0.5}, budget_seconds=1.0)
        assert loop.timings["shaky"].seconds < self.SCHEDULE.min_seconds
        assert {timing.stop_reason for timing in loop.timings.values()} == {"early"}

    def test_what_others_saved_is_not_spent_on_a_shaky_entry(self):
        loop = self.run({"shaky": 0.5}, budget_seconds=12.0)
        spent = {name: sum(block.seconds for block in timing.blocks) for name, timing in loop.timings.items()}
        assert loop.timings["shaky"].stop_reason == "budget"
        assert 4 <= spent["shaky"] < 4.5  # a third of the budget, and the rest of a load
        assert sum(spent.values()) < 10

    def test_what_has_the_minimum_met_its_target(self):
        assert {t.stop_reason for t in self.run({}, min_loads=2, min_seconds=0.1).timings.values()} <= {
            "target",
            "minimum",
        }

    def test_an_entry_without_reference_is_timed_for_the_minimum(self):
        loop, _, _ = timed({"alone": 1.0}, self.SCHEDULE, {})
        assert loop.loads >= 20
        assert (loop.timings["alone"].stop_reason, loop.timings["alone"].seconds >= 2.0) == ("minimum", True)
