"""Which GPUs share the work; how they do is tested by test_shared_loads.py, in processes by test_evaluate.py."""

from pathlib import Path
from typing import Any

import pytest

from roundoff.cells import cell as measured
from roundoff.cells.cell import Cell
from roundoff.errors import GateError, Unavailable
from roundoff.measurement.answered import Answered
from roundoff.measurement.logits_file import LogitsFile
from roundoff.measurement.plan import CellSpeed
from roundoff.measurement.put_together import merged_speeds
from roundoff.measurement.share import Share, device_of
from roundoff.measurement.speed import DeviceSpeed
from roundoff.measurement.workers import equal_gpus
from roundoff.results.cell import Batch, CellMetrics, Energy
from roundoff.results.platform import Gpu, Platform
from roundoff.results.run import Device

PAIR = Platform(gpus=[Gpu(uuid="GPU-1", name="H200"), Gpu(uuid="GPU-2", name="H200")])


def test_equal_gpus_share_the_work(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert equal_gpus("GPU-1", PAIR) == ["GPU-1", "GPU-2"]
    assert equal_gpus("cpu", PAIR) == []


def test_any_gpu_stands_for_all_before_an_engine_is_loaded(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert equal_gpus(None, PAIR) == ["GPU-1", "GPU-2"]
    assert equal_gpus(None, Platform()) == []


def test_gpus_of_another_model_do_not(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    mixed = Platform(gpus=[*PAIR.gpus, Gpu(uuid="GPU-3", name="T4")])
    assert equal_gpus("GPU-1", mixed) == ["GPU-1"]


@pytest.mark.parametrize(("visible", "expected"), [("1", ["1"]), ("0, 1", ["0", "1"]), ("GPU-2", ["GPU-2"])])
def test_what_the_user_allows_is_kept(monkeypatch, visible, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert equal_gpus("GPU-1", PAIR) == expected


def test_rows_of_several_devices_become_one():
    def part(size, millijoules, memory):
        batches = {size: Batch(status="measured", runs=size)}
        return CellSpeed(float(size), memory, Energy(batch_size=size, mj_per_image=millijoules), batches)

    parts = part(1, 9.0, 10.0), part(32, 3.0, 20.0)
    found = merged_speeds([DeviceSpeed({"fp32/trt": each}, {}, Device(cells=["fp32/trt"])) for each in parts])
    batches = parts[0].batches | parts[1].batches
    assert found["fp32/trt"] == CellSpeed(1.0, 20.0, parts[1].energy, batches)


def test_a_gpu_that_loads_no_engine_is_an_error_that_says_why(monkeypatch):
    def full(*arguments):
        raise Unavailable("no memory left for the engine")

    monkeypatch.setattr(measured, "open_cell", full)
    nothing: Any = None
    cells = [
        Answered(
            Cell(name, "gpu", nothing, Path(), CellMetrics(status="measured")), "GPU-7", LogitsFile(Path(), 0), None
        )
        for name in ("fp32", "fp16")
    ]
    with pytest.raises(GateError) as error:
        device_of(Share("7", "", cells, nothing, nothing, Platform()))
    assert "GPU 7" in str(error.value.what)
    assert str(error.value.received).count("no memory left for the engine") == 2
