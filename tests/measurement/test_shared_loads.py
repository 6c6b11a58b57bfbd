"""Loads shared by several GPUs: engines of known speed stand for theirs, and calls for their processes."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from roundoff.measurement import bench
from roundoff.measurement.put_together import merged_speeds
from roundoff.measurement.samples import paired_speedup
from roundoff.measurement.speed import measure_device
from tests.support.team import IMAGES, MS, NAMES, PLAN, SCHEDULE, SIZES, World, cells_in, shared

ENTRIES = [f"{name}/batch_{size}" for name in NAMES for size in SIZES]

pytestmark = pytest.mark.usefixtures("own_locks")


def one(folder, world, plan=PLAN):
    return measure_device("GPU-0", cells_in(folder, world), plan, IMAGES)


@pytest.mark.parametrize("gpus", [2, 3, 5])
def test_every_load_is_there_once_with_every_entry_and_each_gpu_has_as_many(tmp_path, gpus):
    found, _ = shared(tmp_path, World(MS), gpus)
    timings, reports = found["GPU-0"].timings, [each.report for each in found.values()]
    assert sorted(timings) == sorted(ENTRIES)
    loads = reports[0].loads
    assert loads * gpus >= SCHEDULE.min_loads
    for timing in timings.values():
        assert list(np.unique(timing.round_load)) == list(range(loads * gpus))
        assert timing.seconds >= SCHEDULE.min_seconds
    assert [(report.loads, report.first_load, report.cells) for report in reports] == [
        (loads, place, NAMES) for place in range(gpus)
    ]


def test_the_figures_are_those_of_one_device(tmp_path):
    (tmp_path / "one").mkdir()
    alone, (found, _) = one(tmp_path / "one", World(MS)), shared(tmp_path, World(MS))
    several = merged_speeds(list(found.values()))
    for name in NAMES:
        assert several[name].memory_mb == alone.cells[name].memory_mb
        for size in SIZES:
            a, b = (asdict(each[name].batches[size]) for each in (alone.cells, several))
            differing = {key for key, value in a.items() if value != pytest.approx(b[key])}
            # how many runs fit into a slice is of the clock, and how many percentiles they are enough for
            assert {name for name in differing if "_p9" not in name} <= {"runs", "measured_s"}
    assert found["GPU-0"].report.aa_control == alone.report.aa_control
    assert found["GPU-1"].report.aa_control is None


def test_a_ratio_comes_from_one_device_though_they_differ(tmp_path):
    """One GPU is a tenth slower, each load off by 2 %: a ratio is known all the same, and a time is of both."""
    found, _ = shared(tmp_path, World(MS, slower={"1": 1.1}, noise=0.0))
    row = found["GPU-0"].cells["fp16/gpu"].batches[1]
    assert (row.speedup_low, row.speedup, row.speedup_high) == pytest.approx((4, 4, 4))
    assert (row.device_p50_low_ms, row.device_p50_high_ms) == pytest.approx((0.1, 0.11))
    timing = found["GPU-0"].timings["fp16/gpu/batch_1"]
    assert timing.by_load(timing.round_ms)[:4] == pytest.approx([0.1, 0.11, 0.1, 0.11])


def test_an_interval_over_loads_of_two_devices_that_differ_holds_the_median_of_both():
    """What the module says of Hoeffding's theorem, by simulation: 95 % and more, however far the devices are apart."""
    from roundoff.measurement.statistics import median_interval

    random = np.random.default_rng(3)
    for apart in (0.0, 1.0, 10.0):
        loads = random.normal(0, 1, (4000, 20)) + apart * (np.arange(20) % 2)
        intervals = [median_interval(each) for each in loads]
        held = np.mean([each.low <= apart / 2 <= each.high for each in intervals])
        assert held > 0.95


def test_each_load_of_a_pair_of_gpus_is_drawn_anew(tmp_path, monkeypatch):
    seeds = []

    def scatter(random):
        seeds.append(random.integers(10**9))
        return []

    monkeypatch.setattr(bench, "scatter", scatter)
    shared(tmp_path, World(MS))
    assert len(set(seeds)) == len(seeds)


def test_each_cell_is_looked_at_alone_on_one_gpu_only(tmp_path):
    world = World(MS)
    found, workers = shared(tmp_path, world)
    loads = found["GPU-0"].report.loads
    # untimed alone: fp32 on one, fp16 on the other; timed: three engines a load, one of them FP32's twin
    by_gpu = [[each[1] for each in world.loads if each[0] == gpu] for gpu in ("0", "1")]
    assert (by_gpu[0][0], by_gpu[1][0]) == ("fp32", "fp16")
    assert [len(each) for each in by_gpu] == [1 + 3 * loads] * 2
    assert not any(work == "device_of" for _, work in workers.asked)


def test_builds_take_the_loads_in_turn_on_each_gpu(tmp_path):
    world = World(MS)
    (tmp_path / "fp16/rebuilds/2").mkdir(parents=True)
    found, _ = shared(tmp_path, world)
    timed = [[build for gpu, name, build in world.loads if (gpu, name) == (each, "fp16")] for each in ("0", "1")]
    loads = found["GPU-0"].report.loads
    assert timed[0][:loads] == (["fp16", "2"] * loads)[:loads]
    assert timed[1][1 : loads + 1] == (["2", "fp16"] * loads)[:loads]
    timing = found["GPU-0"].timings["fp16/gpu/batch_1"]
    assert list(timing.builds_of_loads(2)[:4]) == [0, 1, 1, 0]
    assert len(found["GPU-0"].cells["fp16/gpu"].batches[1].build_p50_ms) == 2


def breaks(where, when, error):
    """A fault of one GPU, precision and batch size from its so manieth timed run on."""
    runs = []

    def fault(*here):
        runs.extend([here] if here == where else [])
        if here == where and len(runs) > when:
            raise error

    return fault


def test_what_one_gpu_cannot_time_is_a_failed_row_that_names_it(tmp_path):
    fault = breaks(("1", "fp16", 8), 12, RuntimeError("launch failed"))
    found, _ = shared(tmp_path, World(MS, fault=fault))
    rows = found["GPU-0"].cells
    row = rows["fp16/gpu"].batches[8]
    assert (row.status, str(row.reason)) == ("failed", "a timed run failed (on GPU 1)")
    assert row.detail == "RuntimeError: launch failed"
    assert row.rerun == "dvc repro -f evaluate"
    assert "fp16/gpu/batch_8" not in found["GPU-0"].timings
    assert rows["fp16/gpu"].batches[1].speedup == pytest.approx(4)
    assert rows["fp32/gpu"].batches[8].device_p50_ms == pytest.approx(3.2)


def test_two_names_of_one_gpu_are_one(tmp_path):
    found, _ = shared(tmp_path, World(MS), devices={"0": "GPU-0", "1": "GPU-0"})
    assert list(found) == ["GPU-0"]
    assert found["GPU-0"].cells["fp16/gpu"].batches[1].loads >= SCHEDULE.min_loads


def test_devices_are_taken_one_by_one_in_one_order_in_every_job(tmp_path):
    """Or one job might hold the first and wait for the second, and another hold that and wait for the first."""
    _, workers = shared(tmp_path, World(MS), devices={"0": "GPU-b", "1": "GPU-a"})
    assert [gpu for gpu, work in workers.asked if work == "take"] == ["1", "0"]
    assert [work for _, work in workers.asked][:3] == ["take", "take", "look"]


def test_there_are_no_more_gpus_than_loads(tmp_path):
    found, _ = shared(tmp_path, World(MS), gpus=SCHEDULE.min_loads + 2)
    assert [each.report.loads for each in found.values()] == [1] * SCHEDULE.min_loads


def test_loads_go_on_by_the_rules_of_one_device(tmp_path):
    """Off by 2 % from load to load, the interval is not within 1 % after the minimum, nor on either device alone."""
    (tmp_path / "one").mkdir()
    plan = replace(PLAN, schedule=replace(SCHEDULE, budget_seconds=4.0))
    alone = one(tmp_path / "one", World(MS, noise=0.02), plan)
    found, _ = shared(tmp_path, World(MS, noise=0.02), plan=plan)
    for told in (alone.cells, found["GPU-0"].cells):
        row = told["fp16/gpu"].batches[1]
        assert row.loads > SCHEDULE.min_loads
        width = max(row.speedup_high / row.speedup - 1, 1 - row.speedup_low / row.speedup)
        assert row.stop_reason == ("target" if width <= SCHEDULE.interval_target else "budget")
    for timing in found["GPU-0"].timings.values():
        assert set(np.bincount(timing.round_load % 2) % 2) == {0}
    timings = found["GPU-0"].timings
    pair = paired_speedup(timings["fp32/gpu/batch_1"], timings["fp16/gpu/batch_1"])
    assert pair.value == found["GPU-0"].cells["fp16/gpu"].batches[1].speedup


@pytest.mark.parametrize("gpus", [2, 3])
def test_what_may_stop_early_does_when_all_have_as_many_loads(tmp_path, gpus):
    schedule = replace(SCHEDULE, early_loads=8, min_loads=60, min_seconds=5.0, budget_seconds=20.0)
    found, _ = shared(tmp_path, World(MS), gpus, replace(PLAN, schedule=schedule))
    timings = found["GPU-0"].timings
    assert {timing.stop_reason for name, timing in timings.items() if "fp16" in name} == {"early"}
    for timing in timings.values():
        loads = np.unique(timing.round_load)
        assert 8 <= len(loads) < 8 + gpus
        assert len(set(np.bincount(loads % gpus))) == 1
