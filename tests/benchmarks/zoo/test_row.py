"""Rows: which images agree, and ratios of times from rounds that both sides were timed in."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from benchmarks.zoo.row import OURS, RIVAL, bits, cells, speed
from tests.benchmarks.zoo.conftest import IMAGES, agreeing
from tests.benchmarks.zoo.test_layers import conv, graph_of
from tests.support.run import Run


def test_the_images_that_agree_come_back():
    found = bits(agreeing(3, first=5)["agrees"], IMAGES)
    assert found.shape == (IMAGES,)
    assert np.flatnonzero(~found).tolist() == [5, 6, 7]


def test_cells_are_told_with_the_images_that_agree(run: Run):
    found = cells(run.root)
    ours = found[OURS]
    assert ours.agreement is not None
    assert ours.agrees is not None
    assert bits(ours.agrees, 360).mean() == pytest.approx(ours.agreement)
    assert found["fp32/tensorrt_rtx"].status == "unavailable"
    assert found["fp32/tensorrt_rtx"].reason


def test_inner_layers_are_counted_where_there_is_an_engine(run: Run):
    engine = run.root / "models" / "engines" / OURS / "model.onnx"
    engine.parent.mkdir(parents=True)
    onnx.save(graph_of([conv("w", "a"), conv("w", "y")], {"w": ((4, 3, 3, 3), np.int8)}), engine)
    found = cells(run.root)
    assert (found[OURS].inner, found[OURS].inner_in_8_bits) == (1, 1)
    assert found["fp32/tensorrt_rtx"].inner is None


def test_speed_over_quantize_static_is_of_shared_loads(run: Run):
    timings = run.root / "timings"
    for cell, ms, loads in ((RIVAL, 3.0, range(8)), (OURS, 2.0, range(2, 10))):
        (timings / cell).mkdir(parents=True)
        load = np.repeat(list(loads), 4)
        np.savez(timings / cell / "batch_1.npz", round_load=load, round_ms=ms * (1 + load / 10))
    found = speed(run.root)
    assert found.over_quantize_static["1"] == pytest.approx((1.5, 1.5, 1.5))
    assert found.over_fp32["int8/onnxruntime"].keys() == {"1", "32"}
