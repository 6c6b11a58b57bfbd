"""A plan from a run that serves as the pilot: its metrics and its raw timings."""

import os
from dataclasses import replace

import numpy as np
import pytest

from roundoff.errors import DataError
from roundoff.planning.plan import plan_from_assumptions, plan_from_pilot
from roundoff.results.verdict import Requirements
from tests.support.measured import batch, cell, metrics
from tests.support.present import present

KEEP = Requirements(min_relative_accuracy=0.99)


def timed(spread_ms, folder, seed):
    """A run's samples on disk: 20 loads of two rounds, 1 ms each but for the spread of the loads."""
    folder.mkdir(parents=True)
    loads = np.repeat(np.arange(20), 2)
    times = 1 + np.repeat(np.random.default_rng(seed).normal(0, spread_ms, 20), 2)
    np.savez(folder / "batch_1.npz", round_ms=times, round_load=loads)


@pytest.fixture
def run(tmp_path):
    """fp32 and int8 on one backend, 20 loads in 4 s each."""
    timed(0.0, tmp_path / "fp32/ort", 1)
    timed(0.02, tmp_path / "int8/ort", 2)
    each = {1: batch(loads=20, measured_s=4.0)}
    return metrics(fp32__ort=cell(batches=each), int8__ort=cell(30, 10, batches=each)), tmp_path


def test_seconds_are_the_loads_of_both_engines(run):
    found, timings = run
    plan = plan_from_pilot(found, timings, KEEP, 0.01)
    (speed,) = plan.speeds
    assert (speed.cell, speed.batch_size, speed.pilot_loads) == ("int8/ort", 1, 20)
    loads = present(speed.loads)
    assert 20 < loads < 80
    assert plan.seconds == speed.seconds == pytest.approx(loads * 0.4)
    assert present(plan_from_pilot(found, timings, KEEP, 0.005).speeds[0].loads) > 2.5 * loads


def test_images_of_each_cell_but_the_reference(run):
    plan = plan_from_pilot(run[0], run[1], KEEP, 0.01)
    (images,) = plan.images
    assert (images.cell, images.pilot, images.regressed, images.corrected) == ("int8/ort", 10_000, 0.003, 0.001)
    assert present(images.without_loss) < present(images.expected) == plan.most_images
    assert (plan.accuracy, plan.available) == (0.9, 10_000)


def test_without_raw_timings_there_is_no_plan_of_seconds(run, tmp_path):
    plan = plan_from_pilot(run[0], tmp_path / "nothing", KEEP, 0.01)
    assert (plan.speeds, plan.seconds) == ((), None)
    assert plan.images


def test_a_speed_up_out_of_reach_leaves_the_sum_open(run):
    plan = plan_from_pilot(run[0], run[1], KEEP, 1e-6)
    assert (plan.speeds[0].loads, plan.speeds[0].seconds, plan.seconds) == (None, None, None)


@pytest.mark.parametrize("rounds", [[0, 0, 1, 1], [0, 1, 2, 3]])
def test_two_loads_and_samples_of_another_run_are_no_pilot(run, rounds):
    found, timings = run
    path = timings / "int8/ort/batch_1.npz"
    np.savez(path, round_ms=np.ones(4), round_load=np.array(rounds))
    assert plan_from_pilot(found, timings, KEEP, 0.01).speeds == ()


def pipe(path):
    path.unlink()
    os.mkfifo(path)


BROKEN = {
    "garbage": lambda path: path.write_bytes(b"garbage"),
    "nothing": lambda path: path.write_bytes(b""),
    "a pipe": pipe,
    "no loads": lambda path: np.savez(path, round_ms=np.ones(4)),
    "no times": lambda path: np.savez(path, round_load=np.arange(4)),
    "fewer loads": lambda path: np.savez(path, round_ms=np.ones(4), round_load=np.arange(3)),
    "a table": lambda path: np.savez(path, round_ms=np.ones((2, 2)), round_load=np.arange(4)),
    "objects": lambda path: np.savez(path, round_ms=np.array([None]), round_load=np.arange(1)),
    "words": lambda path: np.savez(path, round_ms=np.array(["a"]), round_load=np.arange(1)),
    "no time": lambda path: np.savez(path, round_ms=np.zeros(4), round_load=np.arange(4)),
    "no number": lambda path: np.savez(path, round_ms=np.full(4, np.nan), round_load=np.arange(4)),
    "no load": lambda path: np.savez(path, round_ms=np.ones(4), round_load=np.full(4, np.inf)),
}


@pytest.mark.parametrize("spoil", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_timings_that_cannot_be_read_are_refused(run, precision, spoil):
    found, timings = run
    spoil(timings / precision / "ort/batch_1.npz")
    with pytest.raises(DataError, match=r"batch_1\.npz (cannot be read|is neither)"):
        plan_from_pilot(found, timings, KEEP, 0.01)


def test_single_runs_without_rounds_are_no_pilot(run):
    found, timings = run
    np.savez(timings / "int8/ort/batch_1.npz", device_ms=np.ones(4))
    assert plan_from_pilot(found, timings, KEEP, 0.01).speeds == ()


def test_assumptions_take_the_place_of_a_pilot():
    plan = plan_from_assumptions(0.9, [0.01], KEEP, 0.01)
    assert [(each.cell, each.pilot, each.expected) for each in plan.images] == [("", None, 1467)]
    assert plan.most_images == 1467
    assert replace(plan, images=()).most_images is None
