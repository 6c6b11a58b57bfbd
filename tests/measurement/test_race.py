"""The race at a batch size: who has won or lost is not timed on, and says no more than its interval does."""

from dataclasses import replace

import numpy as np
import pytest

from roundoff.measurement.race import Entrants, Race
from roundoff.measurement.samples import Block, Timing
from tests.support.timed import SCHEDULE, timed

REFERENCES = {"fp16": "fp32", "int8": "fp32", "aa": "fp32"}
LOADS = 8
MS = {"fp32": 1.0, "same": 1.0, "fast": 0.5}
NOISY = 0.03 * np.array([1, -1, 2, -2, 1, -1, 0, 0])  # of a load, the same for all that are timed in turns


def timing(ms, off=(0.0,) * LOADS):
    """Loads of one round, each off by so much."""
    times = [np.full(4, ms * (1 + each)) for each in off]
    return Timing([Block(load, each, each, 0.1, 4, 0.2) for load, each in enumerate(times)], anytime=True)


def race(ms, passing=(), lossy=(), margin=0.01, controls=None, off=NOISY, own=None, references=None):
    timings = {name: timing(each, (own or {}).get(name, off)) for name, each in ms.items()}
    racers = frozenset({"fp32", *passing})
    entrants = Entrants(dict.fromkeys([*ms, "aa"], 1), racers, racers - {*lossy}, controls or {})
    known = {a: b for a, b in (references or REFERENCES).items() if {a, b} <= {*ms}}
    return Race(entrants, timings, known, margin)


def decided(found):
    return {name for name in found.timings if found.decided(name)}


def test_the_winner_and_those_that_lost_are_decided():
    found = race({"fp32": 2.0, "fp16": 2.0, "int8": 1.0}, passing=("fp16", "int8"))
    assert decided(found) == {"fp32", "fp16", "int8"}


def test_two_that_are_not_told_apart_go_on_though_both_beat_the_third():
    own = {"fp16": NOISY[::-1]}
    found = race({"fp32": 2.0, "fp16": 1.01, "int8": 1.0}, passing=("fp16", "int8"), own=own)
    assert decided(found) == {"fp32"}


def test_who_does_not_pass_beats_nobody_and_does_not_win():
    found = race({"fp32": 2.0, "fp16": 2.0, "int8": 1.0}, passing=("fp16",))
    assert decided(found) == set()


def test_who_does_not_pass_may_lose():
    assert "int8" in decided(race({"fp32": 2.0, "fp16": 1.0, "int8": 1.5}, passing=("fp16",)))


def test_what_loses_accuracy_does_not_end_the_race_of_those_that_lose_none():
    """FP16 or BF16 ships, whichever is faster, though INT8 beats both."""
    own = {"bf16": NOISY[::-1]}
    ms, references = {"fp32": 2.0, "fp16": 1.0, "bf16": 1.01, "int8": 0.5}, {**REFERENCES, "bf16": "fp32"}
    passing = ("fp16", "bf16", "int8")
    found = race(ms, passing=passing, lossy=("int8",), own=own, references=references)
    assert decided(found) == {"fp32", "int8"}
    assert decided(race(ms, passing=passing, own=own, references=references)) == {*ms}


def test_what_loses_accuracy_is_decided_once_it_has_won_or_lost_among_all_that_pass():
    ms = {"fp32": 2.0, "fp16": 1.0, "int8": 0.5}
    assert decided(race(ms, passing=("fp16", "int8"), lossy=("int8",))) == {*ms}
    assert decided(race({**ms, "int8": 1.5}, passing=("fp16", "int8"), lossy=("int8",))) == {*ms}


def test_what_may_not_ship_yet_has_to_lose_to_what_would_ship():
    """An undecided cell that is slower than a lossy one, and faster than all others, could still be balanced."""
    ms, lossy = {"fp32": 2.0, "fp16": 1.0, "int8": 0.5}, ("int8",)
    assert decided(race(ms, passing=("int8",), lossy=lossy)) == {"fp32", "int8"}
    assert "fp16" in decided(race({**ms, "fp16": 3.0}, passing=("int8",), lossy=lossy))


def test_ratios_tell_apart_what_latencies_do_not():
    """Each load is off by up to 6 %, FP32 and the others alike."""
    found = race({"fp32": 1.0, "int8": 0.95}, passing=("int8",))
    assert found.faster("int8", "fp32")
    assert not race({"fp32": 1.0, "int8": 0.95}, passing=("int8",), references={"int8": "none"}).faster("int8", "fp32")


def test_what_has_another_reference_is_compared_by_latency():
    ms = {"fp32": 4.0, "int8": 2.0, "other": 1.0}
    found = race(ms, passing=("int8", "other"))
    assert decided(found) == {"fp32", "int8", "other"}
    assert not race({**ms, "other": 1.9}, passing=("int8", "other")).decided("int8")


def test_other_batch_sizes_are_another_race():
    found = race({"fp32": 2.0, "fp16": 2.0, "int8": 1.0}, passing=("fp16", "int8"))
    found.entrants = replace(found.entrants, sizes={"fp32": 1, "fp16": 1, "int8": 32})
    assert decided(found) == set()


@pytest.mark.parametrize(("control_ms", "told"), [(1.0, True), (1.02, True), (1.1, False), (0.9, False)])
def test_what_a_control_differs_by_is_no_difference(control_ms, told):
    """FP32 loaded twice reads 1.1 times itself: 7 % are none, as the verdict has it, which takes the same floor."""
    found = race({"fp32": 1.0, "int8": 0.935, "aa": control_ms}, passing=("int8",), controls={1: "aa"})
    assert found.faster("int8", "fp32") is told


def test_of_what_has_no_reference_latencies_alone_are_known():
    found = race({"fp32": 1.0, "alone": 0.5}, passing=("alone",))
    assert found.decided("alone")
    assert not race({"fp32": 1.0, "alone": 0.99}, passing=("alone",)).decided("alone")


class TestLoop:
    """The timing loop ends by it where it may stop early, and only there."""

    SCHEDULE = replace(SCHEDULE, min_loads=20, min_seconds=2.0, early_loads=8, budget_seconds=60)
    RACERS = frozenset({"fp32", "same", "fast"})
    ENTRANTS = Entrants(dict.fromkeys(RACERS, 1), RACERS, RACERS)

    def run(self, entrants=ENTRANTS, ms=MS, **changes):
        references = {name: "fp32" for name in ms if name != "fp32"}
        return timed(
            ms, replace(self.SCHEDULE, **changes), references, noise=dict.fromkeys(ms, 0.1), entrants=entrants
        )[0]

    def test_it_ends_what_is_not_known_within_the_target(self):
        raced, alone = self.run(), self.run(Entrants())
        assert raced.loads < 12 < alone.loads
        assert {each.stop_reason for each in raced.timings.values()} == {"early"}

    def test_a_control_goes_on_as_long_as_the_race_does(self):
        """It has lost at once, but what it differs by says how far apart the others have to be."""
        ms = {"fp32": 1.0, "one": 0.5, "other": 0.5, "aa": 1.0}
        racers = frozenset({"fp32", "one", "other"})
        loop = self.run(Entrants(dict.fromkeys(ms, 1), racers, racers, {1: "aa"}), ms, budget_seconds=20)
        assert loop.race().decided("aa")
        assert loop.timings["aa"].loads >= loop.timings["one"].loads > 8

    def test_whole_schedules_know_no_race(self):
        assert self.run(early_loads=None).loads == self.run(Entrants(), early_loads=None).loads
