"""Evaluate on several GPUs beside evaluate on one."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.gpu import spread, spread_job


def report(wall_s: float, devices: int, correct: int = 900, **device_ms: float | None) -> dict[str, Any]:
    cells = {
        f"{name}/trt": {
            "status": "measured",
            "reason": None,
            "samples": 1000,
            "correct": correct,
            "device_ms": {"1": ms},
        }
        for name, ms in device_ms.items()
    }
    return {"m": {"wall_s": wall_s, "machine": "a", "devices": ["g"] * devices, "cells": cells}}


ONE = report(100, 1, fp32=1.0, fp16=0.5)


def test_several_gpus_are_held_against_one():
    good = spread.compared(ONE, report(54, 2, 901, fp32=1.05, fp16=0.5), 2)
    assert good["device_ms_ratio"] == {"m/fp32/trt, batch 1": 1.05, "m/fp16/trt, batch 1": 1.0}
    assert (good["wall_ratio"], good["wall_ratio_by_model"], good["missed"]) == (0.54, {"m": 0.54}, [])


@pytest.mark.parametrize(
    ("several", "missed"),
    [
        (report(60, 2, fp32=1.0, fp16=0.5), "wall time: 0.600, at most 0.550"),
        (report(54, 2, fp32=1.2, fp16=0.5), "m/fp32/trt, batch 1: 1.200"),
        (report(54, 2, 902, fp32=1.0, fp16=0.5), "m/fp16/trt: 900 and 902 of 1000 and 1000 right"),
        (report(54, 2, fp32=1.0, fp16=None), "m/fp16/trt, batch 1: not timed by both"),
        (report(54, 2, fp32=1.0), "m/fp16/trt: measured and absent (None)"),
        (report(54, 1, fp32=1.0, fp16=0.5), "m: 1 devices took part, not 2"),
    ],
)
def test_each_target_that_is_missed_is_named(several, missed):
    assert missed in spread.compared(ONE, several, 2)["missed"]


def test_a_precision_that_was_not_built_is_no_fault():
    one, several = (report(wall, n, fp32=1.0, int8=None) for wall, n in ((100, 1), (54, 2)))
    for side in (one, several):
        side["m"]["cells"]["int8/trt"]["status"] = "unavailable"
    assert spread.compared(one, several, 2)["missed"] == []
    for side in (one, several):
        side["m"]["cells"]["fp32/trt"]["status"] = "unavailable"
    assert "m/fp32/trt: unavailable and unavailable (None)" in spread.compared(one, several, 2)["missed"]


def test_other_machines_are_no_comparison():
    other = {"m": report(54, 2, fp32=1.0, fp16=0.5)["m"] | {"machine": "b"}}
    assert spread.compared(ONE, other, 2)["missed"] == ["m: machines a and b"]


def test_a_job_is_built_once_and_evaluated_under_what_it_may_see(monkeypatch, tmp_path):
    ran: list[tuple[tuple[str, ...], dict[str, str]]] = []
    monkeypatch.setattr(spread_job.Job, "_run", lambda self, *words, **more: ran.append((words, more)))
    monkeypatch.setattr(spread_job, "figures", lambda metrics: {"cells": {}})
    (tmp_path / "a.onnx").write_bytes(b"graph")
    job = spread_job.Job("a", tmp_path / "a.onnx", tmp_path, tmp_path / "work", ("x=1",))
    job.build()
    found = job.evaluated(["GPU-1", "GPU-2"])
    assert found["wall_s"] >= 0
    assert (tmp_path / "work/models/onnx/model.onnx").read_bytes() == b"graph"
    build, warm, timed = ran
    assert build[0][-4:] == ("probe", "build-fp32", "build-fp16", "x=1")
    assert [more for _, more in (warm, timed)] == [{"CUDA_VISIBLE_DEVICES": "GPU-1,GPU-2"}] * 2
    assert set(spread_job.WARM) <= set(warm[0])
    assert not set(spread_job.WARM) & set(timed[0])
