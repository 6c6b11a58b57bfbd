"""The simulation of stopping early, in small: its rates are those of benchmarks/early alone."""

import pytest

from benchmarks.early.__main__ import TARGETS
from benchmarks.early.images import images
from benchmarks.early.races import races
from benchmarks.early.times import times


def test_test_sets_that_lose_nothing_pass_on_fewer_images():
    rows = {(row["flips"], row["loss"]): row for row in images(20)}
    assert rows[0.01, "none"]["pass"] == 1
    assert rows[0.01, "none"]["median_images"] < 4000 < rows[0.05, "none"]["median_images"]
    assert rows[0.05, "two points"]["fail"] >= 0.9
    assert rows[0.02, "at the target"]["images_saved"] < 0.1


@pytest.mark.slow  # times 14 simulated engines in a dozen runs
def test_timing_ends_sooner():
    found = times(2)
    assert found["aa"]["comparisons"] == 12
    assert found["aa"]["seconds_saved"] > 0.2


@pytest.mark.slow  # as above
def test_a_race_that_is_won_clearly_ends_after_eight_loads():
    of_same, _, of_fast, of_crowd = races(1)
    assert (of_fast["decided"], of_fast["decided_wrongly"], of_fast["median_loads"]) == (1, 0, 8)
    assert of_same["decided_wrongly"] <= 1 / 6
    assert of_same["seconds"] > of_fast["seconds"]
    assert (of_crowd["decided"], of_crowd["decided_wrongly"]) == (1, 0)


def test_each_target_asks_for_what_it_says():
    def found(rate, covers, saved):
        rows = [
            {"loss": name, "flips": 0.01, "pass": rate, "fail": rate, "covers": covers, "images_saved": saved}
            for name in ("none", "at the target")
        ]
        case = {"covers": covers, "called_different": rate, "seconds_saved": saved}
        decided = 1.0 if rate <= 0.05 else 0.9
        race = {"decided": decided, "decided_wrongly": rate, "covers": covers, "seconds_saved": saved}
        return {"images": rows, "times": {"aa": case, "fast_40": case}, "races": [race] * 4}

    assert [met(found(0.02, 0.96, 0.6)) for met in TARGETS.values()] == [True] * len(TARGETS)
    assert [met(found(0.06, 0.94, 0.2)) for met in TARGETS.values()] == [False] * len(TARGETS)
