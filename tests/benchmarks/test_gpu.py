"""The GPU benchmark's own logic: its targets, its command line, and the bare loop that it compares with."""

from __future__ import annotations

import gc
import json
import signal
import subprocess
import sys
from argparse import Namespace
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from scipy.stats import binomtest

from roundoff.backend.trt import binding as trt_bound
from roundoff.backend.trt import build as trt_build
from roundoff.backend.trt import cuda
from roundoff.backend.trt import library as trt_library
from roundoff.backend.trt.library import make_log
from roundoff.backend.trt.runner import TensorrtRunner
from tests.support.fake_gpu import CLASSES, IMAGE_SHAPE, Error, FakeCuda, FakeTensorrt, logits_of
from tests.support.places import ROOT

BENCHMARKS = ROOT / "benchmarks"


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
    return [target.name for target in harness.targets(cells, [1, 1024]) if not target.met]


def test_good_figures_meet_every_target(harness):
    assert missed(harness, {"m/fp16": measured()}) == []
    assert len(harness.targets({"m/fp16": measured()}, [1, 1024])) == 4


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
    assert missed(harness, {"m/int8": {"status": "unavailable", "reason": "no GPU"}}) == ["at least one cell measured"]


@pytest.mark.parametrize("precision", ["fp32", "tf32", "fp16", "bf16"])
def test_a_float_precision_must_be_measured_at_every_batch_size(harness, precision):
    name, no_room = f"m/{precision}", {"status": "unavailable", "reason": "no room"}
    cell = measured()
    cell["batches"]["1024"] = no_room
    assert missed(harness, {name: cell}) == [f"{name}, batch 1024: measured at all (no room)"]
    del cell["batches"]["1024"]
    assert missed(harness, {name: cell}) == [f"{name}, batch 1024: measured at all (no row)"]
    assert missed(harness, {name: no_room, "m/int8": measured()}) == [f"{name}: measured at all (no room)"]


@pytest.mark.parametrize("precision", ["int8", "fp8", "int8_fp16", "torch"])
def test_other_precisions_may_be_unavailable_and_may_not_fail(harness, precision):
    name, cells = f"m/{precision}", {"m/fp16": measured()}
    row = {"status": "measured", "device_over_bare": 1.0, "throughput_over_limit": 1.0}
    accuracy = {"top1": 0.5}
    cell = {"status": "measured", "accuracy": accuracy, "batches": {"1": row, "1024": {"status": "unavailable"}}}
    assert missed(harness, cells | {name: cell}) == []
    cell["batches"]["1024"] = {"status": "failed", "reason": "wrong logits"}
    assert missed(harness, cells | {name: cell}) == [f"{name}, batch 1024: measured at all (wrong logits)"]


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
        (["--onnx", f"a={__file__}", "--cells"], "expected at least one argument"),
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


CHILD = """
import json, os, sys, time
out, cells = sys.argv[sys.argv.index("--out") + 1], sys.argv[sys.argv.index("--cells") + 1 :]
gpu = os.environ["CUDA_VISIBLE_DEVICES"]
if gpu == "slow":
    time.sleep(60)
done = cells[:1] if gpu == "bad" else cells
json.dump({"cells": {name: {"status": "measured", "gpu": gpu} for name in done}}, open(out, "w"))
sys.exit(3 if gpu == "bad" else 0)
"""


@pytest.fixture
def spread(harness, monkeypatch, tmp_path):
    child = tmp_path / "child.py"
    child.write_text(CHILD)
    monkeypatch.setattr(harness, "__file__", str(child))

    def run(visible: str, cells: list[str], devices: int = 2):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        return harness.spread(Namespace(devices=devices, cells=cells), ["--check"])

    return run


def test_cells_are_spread_and_an_empty_share_starts_nothing(spread):
    cells, problems = spread(" a, b ,c", ["m/x", "m/y"], devices=3)
    assert {name: cell["gpu"] for name, cell in cells.items()} == {"m/x": "a", "m/y": "b"}
    assert problems == []


@pytest.mark.parametrize("devices", [1, 2, 3])
@pytest.mark.parametrize(("models", "precisions"), [("", 2), ("m", 1), ("m", 5), ("mno", 4), ("mn", 7)])
def test_every_cell_is_dealt_once_and_evenly(harness, devices, models, precisions):
    cells = [f"{model}/{i}" for model in models for i in range(precisions)]
    shares = [harness.dealt(cells, devices, device) for device in range(devices)]
    assert sorted(cell for share in shares for cell in share) == sorted(cells)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("precisions", [2, 3, 4, 5])
def test_no_device_gets_every_models_slowest_precision(harness, precisions):
    cells = [f"{model}/{i}" for model in "abcd" for i in range(precisions)]
    for device in (0, 1):
        assert sum(cell.endswith("/0") for cell in harness.dealt(cells, 2, device)) == 2


def test_a_process_that_dies_leaves_what_was_measured(spread):
    cells, problems = spread("bad,b", ["m/a", "m/b", "m/c", "m/d"])
    assert [cells[name]["status"] for name in ("m/a", "m/b", "m/c", "m/d")] == [
        "measured",
        "measured",
        "failed",
        "measured",
    ]
    assert "ended with exit code 3 before this cell" in cells["m/c"]["reason"]
    assert problems == ["the process on GPU bad ended with exit code 3"]


def test_an_interrupted_spread_leaves_no_process(spread, harness, monkeypatch):
    started: list[subprocess.Popen] = []
    interrupts = iter([KeyboardInterrupt()])

    class Popen(subprocess.Popen):
        def __init__(self, *arguments, **keywords):
            super().__init__(*arguments, **keywords)
            started.append(self)

        def wait(self, timeout=None):
            for interrupt in interrupts:
                raise interrupt
            return super().wait(timeout)

    monkeypatch.setattr(harness.subprocess, "Popen", Popen)
    with pytest.raises(KeyboardInterrupt):
        spread("slow,slow", ["m/a", "m/b"])
    assert [process.returncode for process in started] == [-signal.SIGTERM] * 2


def test_too_few_gpus_are_refused(spread):
    with pytest.raises(SystemExit, match="--devices 2 asks for 2 GPUs, but CUDA_VISIBLE_DEVICES=a, shows 1"):
        spread("a,", ["m/a", "m/b"])


def test_spread_is_held_against_one_gpu(harness):
    import gpu_spread

    def report(devices: int, wall_s: float, **device_ms: float) -> dict:
        cells = {
            f"m/{name}": {"status": "measured", "batches": {"1": {"status": "measured", "device_ms": ms}}}
            for name, ms in device_ms.items()
        }
        cells["m/int8"] = {"status": "unavailable", "reason": "none"}
        return {"platform": {}, "devices": devices, "wall_s": wall_s, "cells": cells}

    one = report(1, 100, fp32=1.0, fp16=0.5)
    good = gpu_spread.compared(one, report(2, 60, fp32=1.05, fp16=0.5))
    assert good["device_ms_ratio"] == {"m/fp32, batch 1": 1.05, "m/fp16, batch 1": 1.0}
    assert (good["wall_ratio"], good["missed"]) == (0.6, [])
    bad = gpu_spread.compared(one, report(2, 80, fp32=1.2) | {"commit": "abc"})
    assert bad["missed"] == [
        "commit: None and abc",
        "m/fp16, batch 1: measured by one of the two alone",
        "m/fp32, batch 1: 1.200",
        "wall time: 0.80, at most 0.65",
    ]


def test_runs_of_other_conditions_are_not_compared(harness):
    import gpu_spread

    settings = dict.fromkeys(gpu_spread.SETTINGS, 1)
    one = {"platform": {"id": "a"}, "commit": "b", "sha256": {"m": "c"}, "options": settings}
    changes = {
        "machine": {"platform": {"id": "x"}},
        "commit": {"commit": "x"},
        "models and images": {"sha256": {"m": "x"}},
    }
    changes |= {name: {"options": settings | {name: 2}} for name in settings}
    report = one | {"devices": 1, "wall_s": 1.0, "cells": {}}
    for name, change in changes.items():
        assert gpu_spread.compared(report, report | change)["missed"][0].startswith(f"{name}: "), name
    assert gpu_spread.compared(report, report)["missed"] == ["no cell in common"]


@pytest.fixture
def collected():
    """A reading's collection looks at what the test itself makes: the session's other objects are many, and stay."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def test_what_grew_beyond_the_allowance_is_a_leak(gpu):
    import gpu_leaks

    still = {"device_mb": 0.0, "host_mb": 0.0, "threads": 0, "files": 0}

    def leaked(ours: dict, bare: dict | None = None) -> list[str]:
        half = {name: value / 2 for name, value in (still | ours).items()}
        return gpu_leaks.verdict([{"ours": half, "bare": still | (bare or {})}, {"ours": half, "bare": still}])[
            "leaked"
        ]

    assert leaked({"host_mb": 7.0}) == []
    assert leaked({"host_mb": 9.0, "files": 1}) == ["host_mb", "files"]
    assert leaked({"host_mb": 150.0}, {"host_mb": 145.0}) == []
    assert leaked({"host_mb": 150.0}, {"host_mb": 100.0}) == ["host_mb"]
    assert leaked({"host_mb": 9.0}, {"host_mb": -5.0}) == ["host_mb"]


def test_memory_that_only_one_kind_of_cycle_rests_with_is_no_leak(gpu, monkeypatch):
    import gpu_leaks

    still = {"device_mb": 0.0, "host_mb": 100.0, "threads": 0, "files": 0}
    resting = dict(still)
    monkeypatch.setattr(gpu_leaks, "used", lambda: dict(resting))
    courses = list(gpu_leaks.watched(20, lambda: resting.update(host_mb=120.0), lambda: resting.update(host_mb=100.0)))
    found = gpu_leaks.verdict(courses[-1])
    assert (found["grown"]["host_mb"], found["grown_bare"]["host_mb"], found["leaked"]) == (0.0, 0.0, [])


def test_as_many_bare_cycles_are_watched_as_ours(gpu, collected):
    import gpu_leaks

    ours: list[int] = []
    bare: list[int] = []
    courses = [len(course) for course in gpu_leaks.watched(25, lambda: ours.append(1), lambda: bare.append(1))]
    assert courses == list(range(1, 11))
    uncounted = gpu_leaks.READINGS
    assert (len(ours), len(bare)) == (25 + uncounted, 25 + uncounted)


@pytest.mark.parametrize(("hoarded", "code"), [(0, 0), (1_000_000, 1)])
def test_the_leak_test_runs_from_end_to_end(gpu, collected, monkeypatch, tmp_path, hoarded, code):
    import bare_life
    import gpu_leaks

    from roundoff.backend.trt import backend

    trt, whole = FakeTensorrt(gpu, profiles=((1, 8, 8),)), gpu_leaks.cycle

    def cycle(*arguments) -> None:
        whole(*arguments)
        gpu.used += hoarded

    gpu.capacity = 10**9
    monkeypatch.setattr(bare_life, "cuda", gpu)
    for module in (backend, trt_library):
        monkeypatch.setattr(module, "import_tensorrt", lambda name: trt)
    monkeypatch.setattr(backend, "build_engine", lambda *arguments: trt_build.Built(b"plan", b"", (), []))
    monkeypatch.setattr(gpu_leaks, "WARM_UP", 2)
    monkeypatch.setattr(gpu_leaks, "cycle", cycle)
    monkeypatch.setattr(gpu_leaks, "ALLOWED", {"device_mb": 4.0, "threads": 0})
    onnx.save(mean_plus_class_number(), tmp_path / "m.onnx")
    where = ["--onnx", str(tmp_path / "m.onnx"), "--out", str(tmp_path / "leaks.json")]
    assert gpu_leaks.main([*where, "--cycles", "10", "--batch", "8"]) == code
    report = json.loads((tmp_path / "leaks.json").read_text())
    assert report["complete"]
    assert report["leaked"] == (["device_mb"] if code else [])
    assert report["grown"]["device_mb"] == pytest.approx(10 * hoarded / 1e6)
    assert report["grown_bare"]["device_mb"] == 0
    assert not gpu.live


def test_the_comparison_of_profiles_runs_from_end_to_end(gpu, monkeypatch, tmp_path):
    import gpu_profiles

    from roundoff.backend.trt import backend

    trt, built = FakeTensorrt(gpu, profiles=((1, 1, 1), (8, 8, 8), (1, 4, 8))), []

    def build(_trt, _name, _graph, settings, *_):
        built.append(settings.profiles)
        return trt_build.Built(b"plan" * len(built), b"", (), [])

    gpu.capacity = 10**9
    for module in (backend, trt_library):
        monkeypatch.setattr(module, "import_tensorrt", lambda name: trt)
    monkeypatch.setattr(backend, "build_engine", build)
    onnx.save(mean_plus_class_number(), tmp_path / "m.onnx")
    where = ["--onnx", f"m={tmp_path / 'm.onnx'}", "--out", str(tmp_path / "profiles.json")]
    assert gpu_profiles.main([*where, "--batches", "1", "8", "--loads", "3", "--round-ms", "1"]) == 0
    assert built == [[(1, 1, 1), (8, 8, 8)], [(1, 4, 8)]]
    found = json.loads((tmp_path / "profiles.json").read_text())["models"]["m"]
    assert found["range"]["size_mb"] == 2 * found["fixed"]["size_mb"] == 8e-6
    assert set(found["range_over_fixed"]) == {"load_ms", "batch_1_ms", "batch_8_ms"}
    assert found["range_over_fixed"]["batch_8_ms"] == pytest.approx(1)
    assert not gpu.live


def test_a_range_that_takes_twice_as_long_has_the_ratio_two(harness, monkeypatch, tmp_path):
    import gpu_profiles

    def built(_options, _model, directory, _profiles):
        directory.mkdir()
        (directory / "model.engine").write_bytes(b"plan")
        return gpu_profiles.Engine(None, directory, [])

    def lived(_options, engine, cold=True):
        return {"load_ms": 2.0 if engine.directory.name == "range" else 1.0}

    monkeypatch.setattr(gpu_profiles, "built", built)
    monkeypatch.setattr(gpu_profiles, "lived", lived)
    monkeypatch.setattr(gpu_profiles, "scattered", lambda random: nullcontext())
    assert gpu_profiles.compared(Namespace(batches=[1], loads=3), tmp_path)["range_over_fixed"] == {"load_ms": 2.0}


def test_a_comparison_of_profiles_without_kept_kernels_is_refused(harness):
    import gpu_profiles

    compiled = MagicMock(cache_was_warm=False)
    compiled.__enter__.return_value = compiled
    engine = gpu_profiles.Engine(SimpleNamespace(load=lambda directory: compiled), Path(), [])
    with pytest.raises(RuntimeError, match="kernels were not in the cache"):
        gpu_profiles.lived(Namespace(), engine, cold=False)


def test_a_bare_life_leaves_nothing(gpu, monkeypatch):
    import bare_life

    monkeypatch.setattr(bare_life, "cuda", gpu)  # gpu has put itself into bare, too
    trt = FakeTensorrt(gpu)
    bare_life.BareLife(trt, b"plan", make_log(trt), b"kernels", IMAGES[:8]).live()
    assert gpu.launches == 2 * bare_life.TIMED
    assert not gpu.live


@pytest.fixture
def gpu(monkeypatch, harness) -> FakeCuda:
    fake = FakeCuda()
    monkeypatch.setattr(cuda, "runtime", lambda: fake)
    monkeypatch.setattr(trt_bound, "WARM_S", 0.001)
    pytest.importorskip("cuda.bindings.runtime")
    import bare
    import gpu_batch

    monkeypatch.setattr(bare, "cuda", fake)
    monkeypatch.setattr(gpu_batch, "WARM_S", 0.001)
    monkeypatch.setattr(gpu_batch, "LARGEST", 1024)
    return fake


IMAGES = np.random.default_rng(0).integers(0, 256, (32, *IMAGE_SHAPE), dtype=np.uint8)


@pytest.fixture
def batch(gpu, monkeypatch, tmp_path):
    """Times a fake engine at batch size 8; gives its row, and the library to spoil beforehand."""
    import gpu_batch

    trt = FakeTensorrt(gpu, profiles=((1, 4, 8),))
    engine = tmp_path / "model.engine"
    engine.write_bytes(b"plan")
    monkeypatch.setattr(gpu_batch, "import_tensorrt", lambda module: trt)
    options = Namespace(rounds=3, loads=2, round_ms=2.0, module="tensorrt_rtx", batches=[8])

    def load() -> TensorrtRunner:
        return TensorrtRunner(trt, b"plan", make_log(trt), {}, tmp_path / "kernels", 2, True)

    def run(spoil=lambda trt: None, logits=None) -> dict:
        expected = logits_of(IMAGES) if logits is None else logits
        spoil(trt)
        timed = gpu_batch.Batches(options, "m/fp16", load, engine, expected, {"relative_error": 0.0})
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


def test_ratios_are_medians_over_loads_and_not_over_rounds(harness):
    from gpu_figures import Load, figures

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
    from gpu_batch import BLOCKS, scattered

    random, held = np.random.default_rng(0), []
    for _ in range(2):
        with scattered(random):
            held.append(gpu.used)
            assert len(gpu.live) == BLOCKS
        assert not gpu.live
    assert held[0] != held[1]


def test_blocks_that_find_no_room_leave_it_to_the_engine(gpu):
    from gpu_batch import scattered

    gpu.capacity = 600
    with scattered(np.random.default_rng(0)):
        assert not gpu.live


def test_other_logits_than_the_accuracy_runs_fail_the_batch(batch):
    row = batch(logits=logits_of(IMAGES)[::-1])
    assert row["status"] == "failed"
    assert "timed mode does not compute what the accuracy run computed" in row["reason"]


def test_no_room_for_the_bare_loop_is_the_batchs_row(batch, gpu, monkeypatch):
    import bare

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
    import bare

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


def test_the_bare_loop_computes_the_logits_of_each_input_in_turn(gpu, tmp_path):
    import bare

    trt = FakeTensorrt(gpu, profiles=((8, 8, 8),))
    engine = tmp_path / "model.engine"
    engine.write_bytes(b"plan")
    inputs = [IMAGES[:8], IMAGES[8:16]]
    loop = bare.BareReplay(trt, engine, inputs, make_log(trt))
    answers = [np.ctypeslib.as_array(gpu.live[at][1]).view(np.float32).reshape(8, CLASSES) for _, at in loop.buffers]
    for answer, images in zip(answers, inputs, strict=True):
        np.testing.assert_array_equal(answer, logits_of(images))
        answer[...] = np.nan
    loop.each_ms(2)
    for answer, images in zip(answers, inputs, strict=True):
        np.testing.assert_array_equal(answer, logits_of(images))
    loop.close()
    loop.close()
    assert not gpu.live


def test_a_cell_without_a_gpu_is_unavailable(harness, gpu, tmp_path):
    from gpu_cells import Bench

    gpu.fail["cudaGetDeviceCount"] = Error.cudaErrorInsufficientDriver
    row = Bench.cell(Bench.__new__(Bench), "m/fp16")
    assert (row["status"], row["waited_s"]) == ("unavailable", 0.0)


def mean_plus_class_number() -> onnx.ModelProto:
    """The fake GPU's network in ONNX."""
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "axes"], ["mean"], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "one"], ["column"]),
        helper.make_node("Add", ["column", "numbers"], ["logits"]),
    ]
    constants = {"axes": np.array([1, 2, 3]), "one": np.array([1]), "numbers": np.arange(CLASSES, dtype=np.float32)}
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", *IMAGE_SHAPE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", CLASSES])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.fixture
def run(harness, gpu, monkeypatch, tmp_path):
    """The whole benchmark on the fake GPU: its exit code and report. Engines are two words on disk."""
    import gpu_batch

    from roundoff.backend.trt import backend

    trt = FakeTensorrt(gpu, profiles=((1, 1, 1), (8, 8, 8)))
    for module in (gpu_batch, backend):
        monkeypatch.setattr(module, "import_tensorrt", lambda name: trt)
    built = trt_build.Built(b"plan", b"", (), [])
    monkeypatch.setattr(backend, "build_engine", lambda *arguments: built)
    onnx.save(mean_plus_class_number(), tmp_path / "m.onnx")
    np.save(tmp_path / "test_images.npy", IMAGES)
    np.save(tmp_path / "test_labels.npy", logits_of(IMAGES).argmax(1))

    def main(*arguments: str) -> tuple[int, dict]:
        where = ["--onnx", f"m={tmp_path / 'm.onnx'}", "--images", str(tmp_path), "--work", str(tmp_path / "work")]
        short = ["--batches", "1", "8", "--rounds", "2", "--round-ms", "2", "--out", str(tmp_path / "out.json")]
        code = harness.main([*where, *short, *arguments])
        return code, json.loads((tmp_path / "out.json").read_text())

    return main


def test_a_cell_is_built_loaded_checked_and_timed(run, tmp_path, gpu):
    code, report = run("--precisions", "fp32", "--peer-batches", "--cold")
    cell = report["cells"]["m/fp32"]
    assert (code, cell["status"], report["problems"]) == (0, "measured", []), cell
    assert (cell["label"], cell["accuracy"]["top1"]) == ("fp32", 1.0)
    assert (cell["first_load_runtime_cache_warm"], cell["load_runtime_cache_warm"]) == (False, True)
    assert {batch: row["status"] for batch, row in cell["batches"].items()} == {"1": "measured", "8": "measured"}
    assert "largest batch size" in cell["batches"]["1"]["energy"]["reason"]
    assert len(report["sha256"]) == 3
    assert report["options"]["batches"] == [1, 8]
    assert len(list((tmp_path / "work" / "cache").glob("reference-*.npy"))) == 1
    assert not gpu.live


def test_an_unavailable_peer_says_why_and_misses_nothing(run):
    _, report = run("--precisions", "fp32", "--cells", "m/torch", "m/fp32")
    assert report["cells"]["m/torch"]["status"] == "unavailable"
    assert "PyTorch does not load" in report["cells"]["m/torch"]["reason"]
    assert not [target for target in report["targets"] if "torch" in target["name"]]


def test_another_network_than_fp32_fails_its_cell(run, tmp_path):
    model = mean_plus_class_number()
    model.graph.initializer[2].CopyFrom(numpy_helper.from_array(np.ones(CLASSES, np.float32), "numbers"))
    onnx.save(model, tmp_path / "m.onnx")
    code, report = run("--precisions", "fp32", "--peer-batches", "--check")
    assert code == 1
    assert "m/fp32 is neither FP32 nor TF32" in report["cells"]["m/fp32"]["reason"]


class CompiledPeer:
    """What benchmarks/peer.py offers, without PyTorch."""

    compile_s = 1.5

    def __init__(self, model: onnx.ModelProto, mode: str) -> None: ...

    def bind(self, batches) -> CompiledPeer:
        if len(batches[0]) > 1:
            raise RuntimeError("CUDA out of memory. Tried to allocate 9 GiB\nand more")
        self.batches = batches
        return self

    def answers(self) -> np.ndarray:
        return np.concatenate([logits_of(batch) for batch in self.batches])

    def each_ms(self, runs: int) -> np.ndarray:
        return np.full(runs, 0.5)


@pytest.mark.parametrize("alone", [False, True])
def test_the_peer_is_timed_in_turn_with_our_fp16(run, monkeypatch, gpu, alone):
    emptied = []
    torch = SimpleNamespace(__version__="2.9", cuda=SimpleNamespace(empty_cache=lambda: emptied.append(1)))
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "peer", SimpleNamespace(CompiledPeer=CompiledPeer))
    if alone:
        monkeypatch.setattr("roundoff.backend.trt.backend.Tensorrt.refusal", lambda self, precision: "no TensorRT")
    _, report = run("--cells", "m/torch")
    row = report["cells"]["m/torch"]
    assert (row["status"], row["torch"], row["mode"], emptied) == ("measured", "2.9", "default", [1])
    assert row["reason_alone"] == ("no TensorRT" if alone else None)
    one, eight = row["batches"]["1"], row["batches"]["8"]
    assert (one["device_ms"], one["ours_fp16_ms"]) == (0.5, None if alone else 0.25)
    assert one["peer_over_ours"] == (None if alone else 2.0)
    assert one["relative_error"] < 1e-6
    assert (eight["status"], eight["reason"]) == ("unavailable", "CUDA out of memory. Tried to allocate 9 GiB")
    assert not gpu.live
