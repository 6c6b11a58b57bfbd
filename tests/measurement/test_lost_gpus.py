"""GPUs that are lost while they share the loads: what the others then do, and what is said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from roundoff.errors import GateError
from roundoff.measurement import bench
from roundoff.measurement.share import Session
from tests.support.team import MS, NAMES, PLAN, SCHEDULE, SIZES, World, shared

LOST = "GPU 1 was lost, its loads are not counted: timing on GPU 1 failed"

pytestmark = pytest.mark.usefixtures("own_locks")


def loses(monkeypatch, what, gpus, after=0):
    """These GPUs' processes raise at their so manieth call of a session's step."""
    step, calls = getattr(Session, what), dict.fromkeys(gpus, 0)

    def broken(self, *arguments):
        gpu = self.share.visible
        if gpu in calls:
            calls[gpu] += 1
            if calls[gpu] > after:
                raise RuntimeError("the GPU has fallen off the bus")
        return step(self, *arguments)

    monkeypatch.setattr(Session, what, broken)


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_gpu_that_is_lost_is_told_and_the_others_have_its_loads(tmp_path, monkeypatch, after):
    loses(monkeypatch, "load", ["1"], after)
    found, workers = shared(tmp_path, World(MS))
    rows, reports = found["GPU-0"].cells, {name: each.report for name, each in found.items()}
    for name in NAMES:
        for size in SIZES:
            row = rows[name].batches[size]
            assert (row.status, row.stop_reason) == ("measured", "target" if name == "fp16/gpu" else "minimum")
            assert row.loads >= SCHEDULE.min_loads
            assert [str(each) for each in row.warnings] == [LOST]
            assert row.speedup == pytest.approx(4 if name == "fp16/gpu" else 1)
    assert str(reports["GPU-1"].conditions_reason) == "timing on GPU 1 failed"
    assert (reports["GPU-1"].loads, reports["GPU-0"].loads) == (0, row.loads)
    assert set(found["GPU-0"].timings["fp16/gpu/batch_1"].round_load % 2) == {0}
    assert {gpu for gpu, work in workers.asked if work == "measure_energy_share"} == {"0"}


def test_a_gpu_that_is_lost_before_the_first_timed_load_leaves_its_cells_to_the_others(tmp_path, monkeypatch):
    loses(monkeypatch, "found", ["0"])
    found, _ = shared(tmp_path, World(MS))
    rows = found["GPU-0"].cells  # figures are with the first, whoever has timed
    assert all(row.batches[size].speedup for row in rows.values() for size in SIZES)
    assert rows["fp32/gpu"].memory_mb == rows["fp16/gpu"].memory_mb == 10.0
    assert (found["GPU-0"].report.loads, found["GPU-1"].report.loads) == (0, rows["fp16/gpu"].batches[1].loads)


@pytest.mark.parametrize("early_loads", [None, 8])
def test_what_had_enough_with_a_gpu_that_is_lost_goes_on_without_it(tmp_path, monkeypatch, early_loads):
    """FP16 is known by the twelfth load, INT8 is not, and then half of all loads are gone."""
    loses(monkeypatch, "load", ["1"], after=4)
    world = World({**MS, "int8": 0.1}, shaky={"int8": 0.1})
    schedule = replace(SCHEDULE, early_loads=early_loads)
    found, _ = shared(tmp_path, world, plan=replace(PLAN, schedule=schedule))
    for name in ("fp32/gpu", "fp16/gpu", "int8/gpu"):
        row = found["GPU-0"].cells[name].batches[1]
        assert row.status == "measured"
        assert row.loads >= (early_loads or SCHEDULE.min_loads)


def test_a_cell_that_ends_two_processes_has_failed_and_the_others_stand(tmp_path, monkeypatch):
    def ends(self, cells=None):
        if "fp16/gpu" in cells:
            raise RuntimeError("killed")
        return first_load(self, cells)

    first_load = bench.Bench.first_load
    monkeypatch.setattr(bench.Bench, "first_load", ends)
    found, _ = shared(tmp_path, World(MS))
    rows = found["GPU-0"].cells
    assert {str(batch.reason) for batch in rows["fp16/gpu"].batches.values()} == {"timing on GPU 0 failed"}
    assert {batch.status for batch in rows["fp16/gpu"].batches.values()} == {"failed"}
    assert all(batch.loads >= SCHEDULE.min_loads and not batch.warnings for batch in rows["fp32/gpu"].batches.values())
    assert len({each.report.loads for each in found.values()}) == 1


def test_where_all_are_lost_every_row_has_failed_in_words(tmp_path, monkeypatch):
    loses(monkeypatch, "load", ["0", "1"], after=1)
    found, _ = shared(tmp_path, World(MS))
    for row in found["GPU-0"].cells.values():
        assert {batch.status for batch in row.batches.values()} == {"failed"}
        assert {str(batch.reason) for batch in row.batches.values()} == {"timing on GPU 0 failed"}
        assert row.batches[1].detail == "RuntimeError: the GPU has fallen off the bus"
        assert str(row.energy.reason) == "timing on GPU 0 failed"
    assert not found["GPU-0"].timings


def test_the_first_failure_ends_it_where_that_is_asked_for(tmp_path, monkeypatch):
    loses(monkeypatch, "load", ["1"])
    with pytest.raises(GateError, match="timing on GPU 1 failed"):
        shared(tmp_path, World(MS), plan=replace(PLAN, strict=True))
