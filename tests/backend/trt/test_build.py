"""Real engines, built ahead of time: what the log and the facts say, and how failures are worded."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import onnx
import pytest

from roundoff.backend import cuda
from roundoff.backend.base import Source
from roundoff.backend.trt import build as trt_build
from roundoff.backend.trt import library as trt_library
from roundoff.backend.trt.backend import Tensorrt
from roundoff.backend.trt.inspect import (
    Layer,
    multiplications,
)
from roundoff.backend.trt.library import make_build_log
from roundoff.backend.trt.progress import PhaseProgress
from roundoff.errors import GateError
from roundoff.precision.base import Grid
from roundoff.precision.bf16 import Bf16
from roundoff.precision.fp16 import Fp16
from roundoff.precision.fp32 import Fp32
from roundoff.precision.int8 import Int8
from roundoff.precision.tf32 import Tf32
from roundoff.results.checked import as_json
from roundoff.system.files import read_json
from tests.support.trt_builds import CALIBRATION, build, network, trt


@pytest.mark.parametrize("precision", [Fp32(), Tf32(), Fp16(), Bf16()], ids=lambda p: type(p).__name__)
def test_engines_build_without_a_gpu(tmp_path, precision):
    info = build(tmp_path, precision)
    assert (tmp_path / "model.engine").stat().st_size > 1000
    assert info.tf32_allowed is precision.allows_tf32
    assert info.made_for == {"library": f"tensorrt_rtx {trt.__version__}"}
    assert info.weights == precision.weights
    assert info.build_warnings == 0
    assert "Engine generation completed" in (tmp_path / "logs" / "trt.log").read_text()


def test_what_load_needs_lies_beside_the_engine(tmp_path):
    info = build(tmp_path, Fp32())
    stored = read_json(tmp_path / "engine.json")
    assert stored == as_json(info)
    assert stored["multiplications"] == {"conv": 16 * 3 * 3 * 3 * 64, "dense_layer": 160}


def test_every_profile_is_in_the_engine(tmp_path):
    one = build(tmp_path, Fp16(), profiles=[[1, 16, 32]])
    size = (tmp_path / "model.engine").stat().st_size
    three = build(tmp_path, Fp16(), profiles=[[1, 1, 1], [1, 16, 32], [64, 256, 1024]])
    assert (one.profiles, three.profiles) == ([[1, 16, 32]], [[1, 1, 1], [1, 16, 32], [64, 256, 1024]])
    assert (tmp_path / "model.engine").stat().st_size > size


def test_without_profiles_each_batch_size_has_one_of_its_own(tmp_path):
    info = build(tmp_path, Fp16(), batch_sizes=[1, 8, 64])
    assert info.profiles == [[1, 1, 1], [8, 8, 8], [64, 64, 64]]


def test_layers_are_counted_for_one_run_whatever_the_profiles(tmp_path):
    one = build(tmp_path, Fp16())
    three = build(tmp_path, Fp16(), profiles=[[2, 2, 2], [1, 16, 32], [64, 256, 1024]])
    assert three.layer_types == one.layer_types == {"float16": 2}
    assert three.all_layer_types["uint8"] == 1


def test_tf32_flag_changes_the_engine(tmp_path):
    engines = []
    for precision in (Fp32(), Fp32(), Tf32()):
        build(tmp_path, precision)
        engines.append((tmp_path / "model.engine").read_bytes())
    assert engines[0] == engines[1] != engines[2]


def test_compute_capabilities_are_set(tmp_path):
    build(tmp_path, Fp16(), compute_capabilities=("SM86", "SM89"))
    assert (tmp_path / "model.engine").exists()


def test_each_gpu_has_compiled_kernels_of_its_own(tmp_path, monkeypatch):
    files = set()
    for gpu in ("GPU-1", "GPU-2", "GPU-1"):
        monkeypatch.setattr(cuda, "use_first_device", lambda gpu=gpu: gpu)
        files.add(Tensorrt(cache=str(tmp_path))._kernels_file(b"plan"))
    assert len(files) == 2
    assert {path.parent for path in files} == {tmp_path}


@pytest.mark.parametrize("when", ["log", "progress"])
def test_ctrl_c_in_a_callback_leaves_the_build(tmp_path, monkeypatch, when):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    if when == "progress":
        monkeypatch.setattr(PhaseProgress, "step", interrupted)
    else:
        monkeypatch.setattr(trt_library, "LETTERS", Interrupting())
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, Fp32())


class Interrupting:
    def __getitem__(self, level: int) -> str:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("precision", "kind"),
    [(Fp32(), "float32"), (Fp16(), "float16"), (Bf16(), "bfloat16")],
    ids=["fp32", "fp16", "bf16"],
)
def test_a_built_engine_says_what_it_computes_in(tmp_path, precision, kind):
    info = build(tmp_path, precision)
    assert info.layer_types == {kind: 2}
    assert info.compute_share == {kind: 1.0}
    assert not info.notes
    assert info.all_layer_types["uint8"] == 1


def test_a_timing_cache_that_is_refused_is_replaced_by_an_empty_one_and_gives_no_reason(tmp_path):
    log = make_build_log(trt, tmp_path / "build.log")
    log.log(trt.ILogger.Severity.ERROR, "the cache is of another GPU: not supported")
    told: list[tuple[Any, ...]] = []
    answers = iter([False, True])

    class Config:
        def create_timing_cache(self, blob):
            return blob

        def set_timing_cache(self, cache, ignore_mismatch):
            told.append((cache, ignore_mismatch))
            return next(answers)

    assert trt_build._attach_timing_cache(Config(), b"old", log) == b""
    assert told == [(b"old", False), (b"", False)]
    assert log.errors == []
    assert log.reason() == "TensorRT logged no error"


def test_warnings_are_counted(tmp_path, monkeypatch):
    def built(trt, name, graph, settings, log_file, timing_cache):
        return trt_build.Built(b"plan", b"", ("slow", "slower"), [])

    monkeypatch.setattr("roundoff.backend.trt.backend.build_engine", built)
    assert build(tmp_path, Fp32(), cache=str(tmp_path / "cache")).build_warnings == 2


def test_a_further_build_leaves_the_kept_timing_cache_alone(tmp_path, monkeypatch):
    caches = []

    def built(trt, name, graph, settings, log_file, timing_cache):
        caches.append(timing_cache)
        return trt_build.Built(b"plan", b"from " + timing_cache, (), [])

    monkeypatch.setattr("roundoff.backend.trt.backend.build_engine", built)
    graph = tmp_path / "graph.onnx"
    onnx.save(network(), graph)
    source = Source("test", Fp32(), graph, None, CALIBRATION)
    backend = Tensorrt(cache=str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    kept = tmp_path / "cache" / f"tensorrt_rtx-{trt.__version__}-timing.cache"
    kept.write_bytes(b"learnt")
    backend.build(replace(source, again=True), tmp_path)
    assert (caches, kept.read_bytes()) == ([b""], b"learnt")
    assert (tmp_path / "timing.cache").read_bytes() == b"from "
    backend.build(source, tmp_path)
    assert (caches[1], kept.read_bytes()) == (b"learnt", b"from learnt")


def test_a_false_claim_names_the_precision_and_keeps_the_log(tmp_path, monkeypatch):
    def built(trt, name, graph, settings, log_file, timing_cache):
        log_file.write_text("all in half\n")
        return trt_build.Built(b"plan", b"", (), [Layer("Convolution", "float16", frozenset())])

    monkeypatch.setattr("roundoff.backend.trt.backend.build_engine", built)
    graph, cache = tmp_path / "graph.onnx", tmp_path / "cache"
    onnx.save(network(), graph)
    with pytest.raises(GateError, match=r"int8 on tensorrt_rtx: an engine that claims int8") as error:
        Tensorrt(cache=str(cache)).build(Source("int8", Int8(), graph, None, CALIBRATION), tmp_path)
    assert str(cache / "tensorrt_rtx-int8-build.log") in error.value.fix
    assert (cache / "tensorrt_rtx-int8-build.log").read_text() == "all in half\n"
    assert not (tmp_path / "model.engine").exists()


def test_multiplications_count_through_casts_and_padding():
    half = Fp16().convert(network(), Grid(), None)
    assert multiplications(half) == {"conv": 27648, "dense_layer": 160}


def test_only_a_builder_that_needs_its_gpu_times_its_kernels_there(monkeypatch):
    monkeypatch.setattr(cuda, "use_first_device", lambda: "GPU-1")
    assert Tensorrt().builds_on() is None
    tensorrt = SimpleNamespace(IBuilderConfig=object)
    monkeypatch.setattr("roundoff.backend.trt.backend.import_tensorrt", lambda name: tensorrt)
    assert Tensorrt(module="tensorrt").builds_on() == "GPU-1"
