"""Batch sizes over several GPUs; what runs in each process is tested on the CPU by tests/test_evaluation.py."""

import io
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundoff.cells import cell as measured
from roundoff.cells.cell import Cell
from roundoff.errors import GateError, Unavailable
from roundoff.measurement.multi_gpu import Share, dealt, equal_gpus, measure_share, merged_rows
from roundoff.measurement.speed import DeviceSpeed

PAIR = {"gpus": [{"uuid": "GPU-1", "name": "H200"}, {"uuid": "GPU-2", "name": "H200"}]}


@given(st.lists(st.integers(1, 10_000), min_size=1, unique=True), st.integers(1, 8))
def test_every_batch_size_is_dealt_once_and_evenly(sizes, hands):
    found = dealt(sizes, hands)
    assert sorted(size for hand in found for size in hand) == sorted(sizes)
    assert max(map(len, found)) - min(map(len, found)) <= 1
    assert len(found) == min(hands, len(sizes))


def test_equal_gpus_share_the_work(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert equal_gpus("GPU-1", PAIR) == ["GPU-1", "GPU-2"]
    assert equal_gpus("cpu", PAIR) == []


def test_gpus_of_another_model_do_not(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    mixed = {"gpus": [*PAIR["gpus"], {"uuid": "GPU-3", "name": "T4"}]}
    assert equal_gpus("GPU-1", mixed) == ["GPU-1"]


@pytest.mark.parametrize(("visible", "expected"), [("1", ["1"]), ("0, 1", ["0", "1"]), ("GPU-2", ["GPU-2"])])
def test_what_the_user_allows_is_kept(monkeypatch, visible, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert equal_gpus("GPU-1", PAIR) == expected


def test_rows_of_several_devices_become_one():
    def row(size, batch, millijoules, memory):
        energy = {"batch_size": batch, "mj_per_image": millijoules}
        return {"load_ms": float(size), f"batch_{size}": {"runs": size}, "energy": energy, "memory_mb": memory}

    first, second = row(1, 1, 9.0, 10.0), row(32, 32, 3.0, 20.0)
    found = merged_rows([DeviceSpeed({"fp32/trt": first}, {}, {}), DeviceSpeed({"fp32/trt": second}, {}, {})])
    assert found["fp32/trt"] == {
        "load_ms": 1.0,
        "batch_1": {"runs": 1},
        "batch_32": {"runs": 32},
        "energy": {"batch_size": 32, "mj_per_image": 3.0},
        "memory_mb": 20.0,
    }


def test_a_gpu_that_loads_no_engine_is_an_error_that_says_why(monkeypatch):
    def full(*arguments):
        raise Unavailable("no memory left for the engine")

    monkeypatch.setattr(measured, "open_cell", full)
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO()))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    cells = [Cell(name, "gpu", None, Path(), {"numerics": {}}) for name in ("fp32", "fp16")]
    with pytest.raises(GateError) as error:
        measure_share(Share("7", cells, None, None, {}))
    assert "GPU 7" in error.value.what
    assert error.value.received.count("no memory left for the engine") == 2
    assert all("reason" not in cell.row for cell in cells)
