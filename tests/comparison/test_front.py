"""The front of several runs: ratios within a run, shared engines once, machines apart."""

import pytest

from roundoff.comparison.front import fields_of, relative_speed, yardstick
from roundoff.comparison.noise import noise_of
from tests.support.present import present

SETTINGS = {"train": {"epochs": 1}}


def test_a_shared_engine_is_one_place_and_times_are_over_the_own_runs_yardstick(compared):
    found = compared(
        a={"settings": SETTINGS}, b={"settings": SETTINGS, "calibrate": "minmax", "speed": 3.0, "regressed": 500}
    )
    (field,) = fields_of(found)
    assert [(place.cell, place.number, place.also) for place in field.places] == [
        ("fp32/ort", 0, (1,)),
        ("int8/ort", 0, ()),
        ("int8/ort", 1, ()),
    ]
    assert [place.speed for place in field.places] == [1.0, 2.0, 3.0]
    assert [place.lost for place in field.places] == [0.0, 0.0, 5.0]
    assert [(place.cell, place.number) for place in field.front] == [("int8/ort", 1), ("int8/ort", 0)]
    assert field.line == field.front  # the faster one loses more


def test_machines_and_networks_have_fronts_of_their_own(compared):
    found = compared(a={}, b={"machine": "two"}, c={"network": "deep"})
    assert [field.numbers for field in fields_of(found)] == [(0,), (1,), (2,)]


def test_a_reference_that_was_not_timed_is_no_yardstick(compared):
    (run, _) = compared(a={}, b={}).runs
    assert yardstick(run) == run.metrics.reference == "fp32/ort"
    del run.metrics.cells["fp32/ort"].batches[1]
    assert yardstick(run) is None
    assert relative_speed(run, "int8/ort") is None


def test_across_backends_the_interval_holds_both_medians(compared):
    (run, _) = compared(a={"speed": 2.0}, b={}).runs
    run.metrics.cells["int8/other"] = run.metrics.cells.pop("int8/ort")
    ratio, low, high = present(relative_speed(run, "int8/other"))
    assert ratio == pytest.approx(2.0)
    assert low == pytest.approx(2.0 / 1.0142, rel=1e-3)  # ± 1 % of each, by the root of the sum of squares
    assert high == pytest.approx(2.0 * 1.0142, rel=1e-3)


def test_what_one_engine_varies_by_is_the_noise_of_its_machine(compared):
    found = compared(
        c={"speed": 9.0, "calibrate": "minmax"}, a={"speed": 2.0}, b={"speed": 2.6}, d={"machine": "two", "speed": 1.0}
    )
    (noise,) = noise_of(found)  # c is another engine, d the only run of its machine
    assert (noise.machine, noise.cell, noise.runs, noise.low, noise.high) == ("one", "int8/ort", 2, 2.0, 2.6)
    assert noise_of(compared(a={"speed": 2.0}, b={"speed": 2.6, "reference": "other"})) == []  # the base is another
