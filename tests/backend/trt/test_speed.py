"""Engines of the fake GPU, timed side by side where there is hardly room for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roundoff.backend import cuda
from roundoff.backend import gpu as gpu_bound
from roundoff.backend.trt.binding import TensorrtBinding
from roundoff.backend.trt.library import make_log
from roundoff.backend.trt.runner import TensorrtRunner
from roundoff.cells.cell import Cell
from roundoff.errors import Unavailable
from roundoff.measurement import bench
from roundoff.measurement.answered import Answered
from roundoff.measurement.enough import Schedule
from roundoff.measurement.logits_file import LogitsFile
from roundoff.measurement.plan import CellSpeed, SpeedPlan
from roundoff.measurement.speed import measure_device
from roundoff.results.build import BuildInfo
from roundoff.results.cell import CellMetrics, Energy
from roundoff.results.message import verbatim
from tests.support.fake_cuda import FakeCuda
from tests.support.fake_trt import IMAGE_SHAPE, FakeTensorrt, logits_of

IMAGES = np.random.default_rng(0).integers(0, 256, (16, *IMAGE_SHAPE), dtype=np.uint8)
SCHEDULE = Schedule(
    warmup_ms=1,
    warmup_runs=1,
    min_seconds=0.01,
    budget_seconds=0.01,
    min_loads=6,
    rounds_per_load=2,
    interval_target=0.5,
)
PLAN = SpeedPlan(SCHEDULE, batch_sizes=[1, 8], input_buffers=2, energy_seconds=0.01, aa_control=False, seed=0)
ENGINE = 300_000


@dataclass
class Loader:
    """Loads an engine that takes ENGINE bytes of the GPU's memory."""

    gpu: FakeCuda
    kernels: Path
    loads: int = 0

    def load(self, directory: Path) -> TensorrtRunner:
        self.loads += 1
        trt = FakeTensorrt(self.gpu)
        trt.engine_bytes = ENGINE
        return TensorrtRunner(trt, b"plan", make_log(trt), BuildInfo(), self.kernels, 3, True)


@pytest.fixture
def measure(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu_bound, "WARM_S", 0.001)

    def run(capacity: int, precisions=("fp32", "fp16")) -> dict[str, CellSpeed]:
        gpu = FakeCuda(capacity=capacity)
        monkeypatch.setattr(cuda, "runtime", lambda: gpu)
        cells = []
        for name in precisions:
            (tmp_path / name).mkdir(exist_ok=True)
            loader: Any = Loader(gpu, tmp_path / f"{name}-kernels")
            cell = Cell(name, "gpu", loader, tmp_path / name, CellMetrics(status="measured"))
            written = LogitsFile(tmp_path / f"{name}.npy", len(IMAGES))
            written.write(np.arange(len(IMAGES)), logits_of(IMAGES))
            cells.append(Answered(cell, "GPU-0", written, None, relative_error=0.0))
        rows = measure_device("GPU-0", cells, PLAN, IMAGES).cells
        assert gpu.used == 0
        return rows

    return run


def timed(row: CellSpeed) -> list[bool]:
    return [row.batches[size].device_p50_ms is not None for size in PLAN.batch_sizes]


def test_all_is_timed_where_there_is_room(measure):
    rows = measure(10 * ENGINE)
    assert timed(rows["fp32/gpu"]) == timed(rows["fp16/gpu"]) == [True, True]


def test_an_engine_that_does_not_fit_beside_the_others_is_a_row_and_they_stand(measure):
    rows = measure(int(1.5 * ENGINE))
    found = {name: timed(row) for name, row in rows.items()}
    assert sorted(found.values()) == [[False, False], [True, True]]
    left_out = next(row for name, row in rows.items() if not any(found[name]))
    assert str(left_out.batches[8].reason).endswith("(beside the other engines; alone it ran)")
    assert left_out.memory_mb > ENGINE / 1e6


def test_memory_is_measured_with_nothing_else_loaded(measure, monkeypatch):
    def used(runner):
        return cuda.runtime().used / 1e6

    monkeypatch.setattr(TensorrtRunner, "memory_mb", used)
    rows = measure(10 * ENGINE)
    assert 1 < rows["fp32/gpu"].memory_mb / (ENGINE / 1e6) < 2
    assert rows["fp16/gpu"].memory_mb == rows["fp32/gpu"].memory_mb


def test_an_engine_that_does_not_load_at_all_any_more_is_a_row(measure):
    row = measure(ENGINE // 2, ["fp32"])["fp32/gpu"]
    assert timed(row) == [False, False]
    assert row.load_ms is None
    assert "memory" in str(row.batches[1].reason)


def test_energy_that_finds_no_memory_any_more_says_so(measure, monkeypatch):
    monkeypatch.setattr(bench, "meter_for", lambda device: None)

    def taken(*arguments):
        raise Unavailable("no memory left for the engine")

    monkeypatch.setattr(bench, "energy_per_image", taken)
    row = measure(10 * ENGINE, ["fp32"])["fp32/gpu"]
    assert row.energy == Energy(reason=verbatim("no memory left for the engine"))
    assert timed(row) == [True, True]


def test_a_batch_size_whose_runs_differ_has_failed_and_the_rest_stands(measure, monkeypatch):
    """As TensorRT-RTX 1.6.1 does on an H200 in FP32 at batch 1."""
    alike = TensorrtBinding.outputs

    def differing(self, transfers):
        found = alike(self, transfers)
        if self.batch_size == 1:
            self.lanes[0].host_logits.array[...] *= 1 + 0.05 * np.random.default_rng().random()
            found[0] = self.lanes[0].host_logits.array.copy()
        return found

    monkeypatch.setattr(TensorrtBinding, "outputs", differing)
    rows = measure(10 * ENGINE)
    for row in rows.values():
        assert timed(row) == [False, True]
        assert (row.batches[1].status, str(row.batches[1].reason)) == ("failed", "10 runs of one input differ")
        assert "on one stream and one context, enqueued one by one, it answers alike" in row.batches[1].detail
        assert row.batches[1].repeat_spread > 1e-3
        assert row.batches[8].repeat_spread == 0
    assert rows["fp16/gpu"].batches[1].speedup is None


def test_a_run_that_cuda_refuses_in_the_middle_frees_all_and_the_rest_stands(measure, monkeypatch):
    device_only, runs = TensorrtBinding.device_only, []

    def refused(self, count):
        runs.append(count)
        if self.batch_size == 8 and len(runs) > 40:
            raise cuda.CudaError("cudaGraphLaunch", "cudaErrorLaunchFailure", "unspecified launch failure")
        return device_only(self, count)

    monkeypatch.setattr(TensorrtBinding, "device_only", refused)
    for row in measure(10 * ENGINE).values():  # the fixture holds that nothing is left on the device
        assert timed(row) == [True, False]
        assert row.batches[8].detail.startswith("CudaError: cudaGraphLaunch: cudaErrorLaunchFailure")
