"""Figures from several GPUs beside one GPU's."""

from __future__ import annotations

from typing import Any

from benchmarks.gpu import spread as spread_


def test_spread_is_held_against_one_gpu():

    def report(devices: int, wall_s: float, **device_ms: float) -> dict[str, Any]:
        cells = {
            f"m/{name}": {"status": "measured", "batches": {"1": {"status": "measured", "device_ms": ms}}}
            for name, ms in device_ms.items()
        }
        cells["m/int8"] = {"status": "unavailable", "reason": "none"}
        return {"platform": {}, "devices": devices, "wall_s": wall_s, "cells": cells}

    one = report(1, 100, fp32=1.0, fp16=0.5)
    good = spread_.compared(one, report(2, 60, fp32=1.05, fp16=0.5))
    assert good["device_ms_ratio"] == {"m/fp32, batch 1": 1.05, "m/fp16, batch 1": 1.0}
    assert (good["wall_ratio"], good["missed"]) == (0.6, [])
    bad = spread_.compared(one, report(2, 80, fp32=1.2) | {"commit": "abc"})
    assert bad["missed"] == [
        "commit: None and abc",
        "m/fp16, batch 1: measured by one of the two alone",
        "m/fp32, batch 1: 1.200",
        "wall time: 0.80, at most 0.65",
    ]


def test_runs_of_other_conditions_are_not_compared():

    settings = dict.fromkeys(spread_.SETTINGS, 1)
    one = {"platform": {"id": "a"}, "commit": "b", "sha256": {"m": "c"}, "options": settings}
    changes: dict[str, dict[str, Any]] = {
        "machine": {"platform": {"id": "x"}},
        "commit": {"commit": "x"},
        "models and images": {"sha256": {"m": "x"}},
    }
    changes |= {name: {"options": settings | {name: 2}} for name in settings}
    report: dict[str, Any] = one | {"devices": 1, "wall_s": 1.0, "cells": {}}
    for name, change in changes.items():
        assert spread_.compared(report, report | change)["missed"][0].startswith(f"{name}: "), name
    assert spread_.compared(report, report)["missed"] == ["no cell in common"]
