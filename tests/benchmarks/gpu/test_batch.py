"""One batch size of one cell beside the bare loop."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import numpy as np
import pytest

from benchmarks.gpu import bare
from benchmarks.gpu import batch as batch_
from benchmarks.gpu.batch import BLOCKS, scattered
from benchmarks.gpu.figures import Load, figures
from roundoff.backend.trt.library import make_log
from roundoff.backend.trt.runner import TensorrtRunner
from roundoff.results.build import BuildInfo
from tests.support.fake_trt import FakeTensorrt, logits_of
from tests.support.gpu_network import IMAGES


@pytest.fixture
def batch(gpu, monkeypatch, tmp_path):
    """Times a fake engine at batch size 8; gives its row, and the library to spoil beforehand."""

    trt = FakeTensorrt(gpu, profiles=((1, 4, 8),))
    engine = tmp_path / "model.engine"
    engine.write_bytes(b"plan")
    monkeypatch.setattr(batch_, "import_tensorrt", lambda module: trt)
    options = Namespace(rounds=3, loads=2, round_ms=2.0, module="tensorrt_rtx", batches=[8])

    def load() -> TensorrtRunner:
        return TensorrtRunner(trt, b"plan", make_log(trt), BuildInfo(), tmp_path / "kernels", 2, True)

    def run(spoil=lambda trt: None, logits=None) -> dict[str, Any]:
        expected = logits_of(IMAGES) if logits is None else logits
        spoil(trt)
        timed = batch_.Batches(options, "m/fp16", load, engine, expected, {"relative_error": 0.0})
        return timed.rows(IMAGES, {8: np.arange(32).reshape(4, 8)})["8"]

    yield run
    assert not gpu.live


def test_the_comparison_runs_every_mode_and_frees_all(batch):
    row = batch()
    assert row["device_over_bare"] == row["device_over_back_to_back"] * row["bare_back_to_back_ms"] / 0.25
    assert row["device_over_bare"] == pytest.approx(1.0)
    assert len(row["device_over_bare_by_load"]) == row["loads"] == 2
    assert row["device_ms"] == row["device_p50_ms"] == pytest.approx(0.25)
    assert (row["device_p90_ms"], row["device_p95_ms"], row["device_p99_ms"]) == (None, None, None)
    assert row["throughput_per_s"] > 0
    assert row["energy"]["mj_per_image"] is None
    assert row["energy"]["reason"]


def test_ratios_are_medians_over_loads_and_not_over_rounds():

    def load(over_bare: float, rounds: int) -> Load:
        ones = np.ones(rounds)
        return Load(np.full((rounds, 5), over_bare), ones, ones * 0.5, np.full((rounds, 5), 3.0), ones, (0.1, 0.2))

    row = figures(4, [load(1.00, 1), load(1.02, 1), load(1.10, 7)])
    assert row["device_over_bare_by_load"] == pytest.approx([1.00, 1.02, 1.10])
    assert row["device_over_bare"] == pytest.approx(1.02)
    assert row["device_over_back_to_back"] == pytest.approx(2.04)
    assert row["device_ms"] == pytest.approx(1.10)
    assert (row["runs"], row["loads"], row["end_to_end_ms"]) == (45, 3, 3.0)
    assert row["throughput_per_s"] == pytest.approx(4 * 45 / 9)
    assert row["limit_per_s"] == pytest.approx(1e3 * 4 / 0.5)


def test_each_load_finds_other_device_memory_taken(gpu):

    random, held = np.random.default_rng(0), []
    for _ in range(2):
        with scattered(random):
            held.append(gpu.used)
            assert len(gpu.live) == BLOCKS
        assert not gpu.live
    assert held[0] != held[1]


def test_blocks_that_find_no_room_leave_it_to_the_engine(gpu):

    gpu.capacity = 600
    with scattered(np.random.default_rng(0)):
        assert not gpu.live


def test_other_logits_than_the_accuracy_runs_fail_the_batch(batch):
    row = batch(logits=logits_of(IMAGES)[::-1])
    assert row["status"] == "failed"
    assert "timed mode does not compute what the accuracy run computed" in row["reason"]


def test_no_room_for_the_bare_loop_is_the_batchs_row(batch, gpu, monkeypatch):

    def narrow(trt) -> None:
        real = bare.BareReplay._laid_out

        def laid_out(self, images):
            gpu.capacity = gpu.used
            return real(self, images)

        monkeypatch.setattr(bare.BareReplay, "_laid_out", laid_out)

    row = batch(narrow)
    assert row["status"] == "unavailable"
    assert "no memory left for the bare loop: CUDA: <Error.cudaErrorMemoryAllocation: 2>" in row["reason"]


def test_tensorrts_lack_of_memory_in_the_bare_loop_is_the_batchs_row(batch, monkeypatch):

    def narrow(trt) -> None:
        real = bare.BareReplay._captured

        def captured(self, *buffers):
            trt.room_for = 4
            try:
                return real(self, *buffers)
            finally:
                trt.room_for = 10**9

        monkeypatch.setattr(bare.BareReplay, "_captured", captured)

    row = batch(narrow)
    assert row["status"] == "unavailable"
    assert "TensorRT: execute_async_v3 failed; Requested amount of GPU memory" in row["reason"]
