"""The job's benchmark on a clone of which two stages run."""

import pytest

from benchmarks.early.job import TARGETS, measure


@pytest.mark.slow  # two stages by DVC
def test_two_stages_are_timed():
    found = measure(0.05)
    assert list(found["stages_s"]) == ["probe", "prepare"]
    assert found["start_s"] + sum(found["stages_s"].values()) == pytest.approx(found["seconds"], abs=0.5)


def test_what_is_asked_for():
    (met,) = TARGETS.values()
    assert met({"seconds": 90.0})
    assert not met({"seconds": 90.1})
