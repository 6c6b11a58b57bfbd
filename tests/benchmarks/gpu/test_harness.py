"""The GPU benchmark's command line, its processes and its cells, on a fake GPU."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from benchmarks.gpu import batch as batch_
from benchmarks.gpu import cells, harness
from benchmarks.gpu.cells import Bench
from roundoff.backend.torch_compile.backend import TorchCompile
from roundoff.backend.trt import backend
from roundoff.backend.trt import build as trt_build
from roundoff.results.build import BuildInfo
from roundoff.results.cell import BindingInfo, Energy
from roundoff.results.checked import checked
from tests.support.fake_cuda import Error
from tests.support.fake_trt import CLASSES, FakeTensorrt, logits_of
from tests.support.gpu_network import IMAGES, mean_plus_class_number


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--onnx", "nowhere.onnx"], "expected NAME=PATH"),
        (["--onnx", "a=nowhere.onnx"], "expected NAME=PATH of an existing file"),
        (["--onnx", f"a={__file__}", "--batches", "0"], "start at 1"),
        (["--onnx", f"a={__file__}", "--cells"], "expected at least one argument"),
    ],
)
def test_a_wrong_command_line_is_refused(capsys, arguments, words):
    with pytest.raises(SystemExit, match="2"):
        harness.parsed([*arguments, "--images", "."])
    assert words in capsys.readouterr().err


def test_the_peer_is_a_cell_of_its_own():
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
def spread(monkeypatch, tmp_path):
    child = tmp_path / "child.py"
    child.write_text(CHILD)
    monkeypatch.setattr(harness, "PROGRAM", (sys.executable, str(child)))

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
def test_every_cell_is_dealt_once_and_evenly(devices, models, precisions):
    cells = [f"{model}/{i}" for model in models for i in range(precisions)]
    shares = [harness.dealt(cells, devices, device) for device in range(devices)]
    assert sorted(cell for share in shares for cell in share) == sorted(cells)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("precisions", [2, 3, 4, 5])
def test_no_device_gets_every_models_slowest_precision(precisions):
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


def test_an_interrupted_spread_leaves_no_process(spread, monkeypatch):
    started: list[subprocess.Popen[bytes]] = []
    interrupts = iter([KeyboardInterrupt()])

    class Popen(subprocess.Popen[bytes]):
        def __init__(self, *arguments, **keywords):
            super().__init__(*arguments, **keywords)
            started.append(self)

        def wait(self, timeout=None):
            for interrupt in interrupts:
                raise interrupt
            return super().wait(timeout)

    monkeypatch.setattr("benchmarks.gpu.harness.subprocess.Popen", Popen)
    with pytest.raises(KeyboardInterrupt):
        spread("slow,slow", ["m/a", "m/b"])
    assert [process.returncode for process in started] == [-signal.SIGTERM] * 2


def test_too_few_gpus_are_refused(spread):
    with pytest.raises(SystemExit, match="--devices 2 asks for 2 GPUs, but CUDA_VISIBLE_DEVICES=a, shows 1"):
        spread("a,", ["m/a", "m/b"])


def test_a_cell_without_a_gpu_is_unavailable(gpu, tmp_path):

    gpu.fail["cudaGetDeviceCount"] = Error.cudaErrorInsufficientDriver
    row = Bench.cell(Bench.__new__(Bench), "m/fp16")
    assert (row["status"], row["waited_s"]) == ("unavailable", 0.0)


@pytest.fixture
def run(gpu, monkeypatch, tmp_path):
    """The whole benchmark on the fake GPU: its exit code and report. Engines are two words on disk."""

    trt = FakeTensorrt(gpu, profiles=((1, 1, 1), (8, 8, 8)))
    for module in (batch_, backend):
        monkeypatch.setattr(module, "import_tensorrt", lambda name: trt)
    built = trt_build.Built(b"plan", b"", (), [])
    monkeypatch.setattr(backend, "build_engine", lambda *arguments: built)
    onnx.save(mean_plus_class_number(), tmp_path / "m.onnx")
    np.save(tmp_path / "test_images.npy", IMAGES)
    np.save(tmp_path / "test_labels.npy", logits_of(IMAGES).argmax(1))

    def main(*arguments: str) -> tuple[int, dict[str, Any]]:
        where = ["--onnx", f"m={tmp_path / 'm.onnx'}", "--images", str(tmp_path), "--work", str(tmp_path / "work")]
        short = ["--batches", "1", "8", "--rounds", "2", "--round-ms", "2", "--out", str(tmp_path / "out.json")]
        code = harness.main([*where, *short, *arguments])
        return code, json.loads((tmp_path / "out.json").read_text())

    return main


def test_a_cell_is_built_loaded_checked_and_timed(run, tmp_path, gpu):
    code, report = run("--precisions", "fp32", "--peer-batches", "--cold")
    cell = report["cells"]["m/fp32"]
    assert (code, cell["status"], report["problems"]) == (0, "measured", []), cell
    assert (cell["effective_precision"], cell["accuracy"]["top1"]) == ("fp32", 1.0)
    assert (cell["first_load_runtime_cache_warm"], cell["load_runtime_cache_warm"]) == (False, True)
    assert {batch: row["status"] for batch, row in cell["batches"].items()} == {"1": "measured", "8": "measured"}
    one, eight = (cell["batches"][size] for size in ("1", "8"))
    assert "largest batch size" in str(checked(Energy, one["energy"], "1").reason)
    assert checked(BindingInfo, eight["binding_info"], "8").cuda_graph
    assert checked(BuildInfo, cell["build_info"], "m/fp32").weights == "float32"
    assert len(report["sha256"]) == 3
    assert report["options"]["batches"] == [1, 8]
    assert len(list((tmp_path / "work" / "cache").glob("reference-*.npy"))) == 1
    assert not gpu.live


def test_an_unavailable_peer_says_why_and_misses_nothing(run, monkeypatch):
    monkeypatch.setattr("roundoff.backend.torch_compile.backend._torch", without_torch)
    _, report = run("--precisions", "fp32", "--cells", "m/torch", "m/fp32")
    assert report["cells"]["m/torch"]["status"] == "unavailable"
    assert "PyTorch cannot be imported here (no torch): pip install" in report["cells"]["m/torch"]["reason"]
    assert not [target for target in report["targets"] if "torch" in target["name"]]


def test_another_network_than_fp32_fails_its_cell(run, tmp_path):
    model = mean_plus_class_number()
    model.graph.initializer[2].CopyFrom(numpy_helper.from_array(np.ones(CLASSES, np.float32), "numbers"))
    onnx.save(model, tmp_path / "m.onnx")
    code, report = run("--precisions", "fp32", "--peer-batches", "--check")
    assert code == 1
    assert "m/fp32 is neither FP32 nor TF32" in report["cells"]["m/fp32"]["reason"]


def without_torch() -> Any:
    raise ImportError("no torch")


class Compiled(TorchCompile):
    """The backend torch, without PyTorch: on the fake GPU, half as fast as ours."""

    def refusal(self, precision) -> None:
        return None

    def build(self, source, directory) -> BuildInfo:
        return BuildInfo(weights="float16")

    def load(self, directory) -> Any:
        return nullcontext(SimpleNamespace(bind=compiled_binding))


@contextmanager
def compiled_binding(batches) -> Iterator[Any]:
    if len(batches[0]) > 1:
        raise RuntimeError("CUDA out of memory. Tried to allocate 9 GiB\nand more")
    yield SimpleNamespace(
        outputs=lambda transfers: [logits_of(batch) for batch in batches],
        device_only=lambda runs: np.full(runs, 0.5),
        info=lambda: BindingInfo(cuda_graph=True),
    )


@pytest.mark.parametrize("alone", [False, True])
def test_the_peer_is_timed_in_turn_with_our_fp16(run, monkeypatch, gpu, alone):
    monkeypatch.setattr(cells, "TorchCompile", Compiled)
    if alone:
        monkeypatch.setattr("roundoff.backend.trt.backend.Tensorrt.refusal", lambda self, precision: "no TensorRT")
    _, report = run("--cells", "m/torch")
    row = report["cells"]["m/torch"]
    assert (row["status"], row["mode"], row["build_info"]["weights"]) == ("measured", "default", "float16"), row
    assert row["reason_alone"] == ("no TensorRT" if alone else None)
    one, eight = row["batches"]["1"], row["batches"]["8"]
    assert (one["device_ms"], one["ours_fp16_ms"]) == (0.5, None if alone else 0.25)
    assert one["peer_over_ours"] == (None if alone else 2.0)
    assert one["relative_error"] < 1e-6
    assert one["binding_info"]["cuda_graph"]
    assert (eight["status"], eight["reason"]) == ("unavailable", "CUDA out of memory. Tried to allocate 9 GiB")
    assert not gpu.live
