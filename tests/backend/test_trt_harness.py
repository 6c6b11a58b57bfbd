"""The GPU benchmark's own logic: its targets, its command line, and the bare loop that it compares with."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from fake_gpu import CLASSES, IMAGE_SHAPE, FakeCuda, FakeTensorrt, logits_of
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from roundoff.backend import cuda
from roundoff.backend.trt_library import make_log
from roundoff.backend.trt_runner import TensorrtRunner

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def harness(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import gpu_harness

    return gpu_harness


def measured(**changes) -> dict:
    batch = {"status": "measured", "device_over_bare": 1.01, "throughput_over_limit": 0.95}
    accuracy = {"top1": 0.9, "onnxruntime_low": 0.89, "onnxruntime_high": 0.91}
    return {"status": "measured", "accuracy": accuracy, "batches": {"1": batch, "1024": batch | changes}}


def missed(harness, cells: dict) -> list[str]:
    return [target.name for target in harness.targets(cells) if not target.met]


def test_good_figures_meet_every_target(harness):
    assert missed(harness, {"m/fp16": measured()}) == []
    assert len(harness.targets({"m/fp16": measured()})) == 4


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"device_over_bare": 1.031}, "m/fp16, batch 1024: device-only time over the bare replay's"),
        ({"device_over_bare": 0.969}, "m/fp16, batch 1024: device-only time over the bare replay's"),
        ({"throughput_over_limit": 0.89}, "m/fp16, batch 1024: throughput over its limit"),
        ({"throughput_over_limit": float("nan")}, "m/fp16, batch 1024: throughput over its limit"),
    ],
)
def test_a_missed_target_is_named(harness, changes, name):
    assert missed(harness, {"m/fp16": measured(**changes)}) == [name]


def test_another_accuracy_is_missed(harness):
    cell = measured()
    cell["accuracy"] = cell["accuracy"] | {"top1": 0.92}
    assert missed(harness, {"m/fp16": cell}) == ["m/fp16: top-1 within ONNX Runtime's 95 % interval"]
    assert missed(harness, {"m/int8": cell}) == []


def test_failures_are_missed_and_reasons_are_not(harness):
    cells = {"m/fp16": measured(), "m/int8": {"status": "unavailable", "reason": "no INT8"}}
    assert missed(harness, cells) == []
    cells["m/bf16"] = {"status": "failed", "reason": "CudaError"}
    assert missed(harness, cells) == ["m/bf16: measured at all (CudaError)"]


def test_nothing_measured_is_missed(harness):
    assert missed(harness, {"m/fp16": {"status": "unavailable", "reason": "no GPU"}}) == ["at least one cell measured"]


@given(st.integers(1, 10000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_wilsons(pair):
    sys.path.insert(0, str(BENCHMARKS))
    import gpu_targets

    correct, count = pair
    expected = binomtest(correct, count).proportion_ci(method="wilson")
    np.testing.assert_allclose(gpu_targets.wilson(correct, count), (expected.low, expected.high), atol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--onnx", "nowhere.onnx"], "expected NAME=PATH"),
        (["--onnx", "a=nowhere.onnx"], "expected NAME=PATH of an existing file"),
        (["--onnx", f"a={__file__}", "--batches", "0"], "start at 1"),
    ],
)
def test_a_wrong_command_line_is_refused(harness, capsys, arguments, words):
    with pytest.raises(SystemExit, match="2"):
        harness.parsed([*arguments, "--images", "."])
    assert words in capsys.readouterr().err


def test_the_peer_is_a_cell_of_its_own(harness):
    options = harness.parsed(["--onnx", f"a={__file__}", "--images", ".", "--precisions", "fp16"])
    assert options.cells == ["a/fp16", "a/torch"]
    without = harness.parsed(["--onnx", f"a={__file__}", "--images", ".", "--precisions", "fp16", "--peer-batches"])
    assert without.cells == ["a/fp16"]


@pytest.fixture
def gpu(monkeypatch, harness) -> FakeCuda:
    fake = FakeCuda()
    monkeypatch.setattr(cuda, "runtime", lambda: fake)
    pytest.importorskip("cuda.bindings.runtime")
    import bare

    monkeypatch.setattr(bare, "cuda", fake)
    return fake


def test_the_comparison_runs_every_mode_and_frees_all(harness, gpu, tmp_path):
    import bare

    trt = FakeTensorrt(gpu, profiles=((8, 8, 8),))
    engine = tmp_path / "model.engine"
    engine.write_bytes(b"plan")
    images = np.random.default_rng(0).integers(0, 256, (8, *IMAGE_SHAPE), dtype=np.uint8)
    bench = harness.Bench.__new__(harness.Bench)
    bench.options = Namespace(rounds=3, round_ms=2.0)
    runner = TensorrtRunner(trt, b"plan", make_log(trt), {}, tmp_path / "kernels", 2, True)
    with runner, runner.bind([images, images]) as bound:
        loop = bare.BareReplay(trt, engine, images)
        answer = np.ctypeslib.as_array(gpu.live[loop.output][1]).view(np.float32).reshape(8, CLASSES)
        np.testing.assert_array_equal(answer, logits_of(images))
        row = bench._compare(bound, loop, 8)
        loop.close()
    assert row["device_over_bare"] == pytest.approx(1.0)
    assert row["device_ms"] == pytest.approx(0.25)
    assert row["throughput_per_s"] > 0
    assert not gpu.live
