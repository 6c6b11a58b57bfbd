"""Real engines, built ahead of time: what the log and the facts say, and how failures are worded."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

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
from roundoff.errors import BuildError, ConfigError, GateError, Unavailable
from roundoff.precision.base import Grid
from roundoff.precision.bf16 import Bf16
from roundoff.precision.fp16 import Fp16
from roundoff.precision.fp32 import Fp32
from roundoff.precision.int8 import Int8
from roundoff.precision.tf32 import Tf32
from roundoff.results.checked import as_json
from roundoff.system.files import read_json

trt = pytest.importorskip("tensorrt_rtx")


CALIBRATION = np.zeros((1, 8, 8, 3), np.uint8)


@pytest.fixture(autouse=True)
def no_file_in_the_users_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))


def network(weight_scale: float = 1.0) -> onnx.ModelProto:
    """Image uint8 [N, 8, 8, 3] → scaled → Conv, Relu, mean, Gemm → logits [N, 10]."""
    random = np.random.default_rng(0)
    weights = {
        "scale": np.float32(1 / 127.5),
        "offset": np.float32(-1),
        "kernel": (weight_scale * random.normal(size=(16, 3, 3, 3))).astype(np.float32),
        "bias": random.normal(size=16).astype(np.float32),
        "dense": random.normal(size=(16, 10)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["pixels", "scale"], ["scaled"], "mul"),
        helper.make_node("Add", ["scaled", "offset"], ["centred"], "add"),
        helper.make_node("Transpose", ["centred"], ["planes"], "transpose", perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "kernel", "bias"], ["convolved"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["convolved"], ["rectified"], "relu"),
        helper.make_node("GlobalAveragePool", ["rectified"], ["pooled"], "pool"),
        helper.make_node("Flatten", ["pooled"], ["features"], "flatten"),
        helper.make_node("MatMul", ["features", "dense"], ["logits"], "dense_layer"),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 8, 8, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def build(directory, precision, model=None, **fields):
    graph = directory / "graph.onnx"
    onnx.save(precision.convert(model or network(), Grid(), None), graph)
    source = Source("test", precision, graph, directory / "none.keras", CALIBRATION, log=directory / "logs" / "trt.log")
    return Tensorrt(**fields).build(source, directory)


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


def test_workspace_that_is_too_small_is_a_build_error(tmp_path):
    with pytest.raises(BuildError, match=r"built no engine\n  received: .*workspace limit"):
        build(tmp_path, Fp32(), workspace_mb=1, profiles=[[1, 4096, 8192]])


def bad(operator: str, domain: str = "") -> onnx.ModelProto:
    model = network()
    model.graph.node[5].op_type = operator
    model.graph.node[5].domain = domain
    if domain:
        model.opset_import.append(helper.make_opsetid(domain, 1))
    return model


def test_an_unsupported_operator_is_named_with_its_node(tmp_path):
    with pytest.raises(Unavailable, match=r"does not support node 'relu' \(Mish2\): .*; replace the node"):
        build(tmp_path, Fp32(), bad("Mish2", "my.domain"))


def test_a_file_that_is_no_graph_is_a_build_error(tmp_path):
    graph = tmp_path / "graph.onnx"
    graph.write_bytes(b"no graph")
    source = Source("test", Fp32(), graph, tmp_path / "none.keras", CALIBRATION)
    with pytest.raises(BuildError, match=r"cannot parse graph.onnx: the file as a whole"):
        Tensorrt().build(source, tmp_path)


def test_an_input_with_free_height_is_refused(tmp_path):
    model = network()
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "H"
    with pytest.raises(BuildError, match=r"does not have just its batch dimension free\n  received: \(-1, -1, 8, 3\)"):
        build(tmp_path, Fp32(), model)


def test_an_unknown_compute_capability_is_unavailable(tmp_path):
    with pytest.raises(Unavailable, match=r"does not build for SM10"):
        build(tmp_path, Fp32(), compute_capabilities=("SM10",))


def test_compute_capabilities_are_set(tmp_path):
    build(tmp_path, Fp16(), compute_capabilities=("SM86", "SM89"))
    assert (tmp_path / "model.engine").exists()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"module": "torch"}, "module of the TensorRT backend is wrong\n  received: torch"),
        ({"profiles": []}, r"null, or one or more \[min"),
        ({"profiles": [[2, 1, 3]]}, r"received: \[2, 1, 3\]"),
        ({"profiles": [[0, 1, 3]]}, r"received: \[0, 1, 3\]"),
        ({"profiles": [[1, 2]]}, r"received: \[1, 2\]"),
        ({"batch_sizes": [1, 0]}, r"received: \[1, 0\]"),
        ({"batch_sizes": []}, "each of 1 or more"),
        ({"workspace_mb": 0}, "positive number of MB"),
        ({"optimization_level": 6}, "0 to 5"),
        ({"streams": 1}, "at least 2"),
        ({"hardware_compatibility": "ALL"}, "AMPERE_PLUS"),
        ({"version_compatible": True}, "compute_capabilities instead"),
        ({"module": "tensorrt", "compute_capabilities": ("SM89",)}, "GPU of this machine"),
    ],
)
def test_wrong_settings_are_refused(fields, words):
    with pytest.raises(ConfigError, match=words):
        Tensorrt(**fields)


def without_gpu() -> bool:
    return cuda.absence() is not None


@pytest.mark.skipif(not without_gpu(), reason="this machine has a GPU")
def test_load_without_a_gpu_says_so_in_cudas_words(tmp_path):
    build(tmp_path, Fp16())
    with pytest.raises(Unavailable, match=r"no CUDA device.*: cudaGetDeviceCount: cudaError"):
        Tensorrt().load(tmp_path)


def test_each_gpu_has_compiled_kernels_of_its_own(tmp_path, monkeypatch):
    files = set()
    for gpu in ("GPU-1", "GPU-2", "GPU-1"):
        monkeypatch.setattr(cuda, "use_first_device", lambda gpu=gpu: gpu)
        files.add(Tensorrt(cache=str(tmp_path))._kernels_file(b"plan"))
    assert len(files) == 2
    assert {path.parent for path in files} == {tmp_path}


@pytest.mark.skipif(not without_gpu(), reason="this machine has a GPU")
def test_a_build_for_the_current_gpu_is_refused_without_one():
    assert Tensorrt().refusal(Fp32()) is None
    assert "no CUDA device" in str(Tensorrt(compute_capabilities=("CURRENT",)).refusal(Fp32()))


def test_a_gpu_without_the_units_refuses(monkeypatch):
    monkeypatch.setattr(cuda, "absence", lambda: None)
    monkeypatch.setattr(cuda, "compute_capability", lambda: (7, 5))
    assert str(Tensorrt().refusal(Bf16())) == "bfloat16 needs a GPU of compute capability 8.0; this one has 7.5"
    assert Tensorrt().refusal(Fp16()) is None


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


class Words:
    def __init__(self, *errors: str) -> None:
        self.errors = errors

    def reason(self) -> str:
        return self.errors[0]


NO_TACTIC = "Error Code 10: Internal Error (Could not find any implementation for node conv.)"


@pytest.mark.parametrize(
    ("may_lack_kernels", "errors", "kind"),
    [
        (True, [NO_TACTIC], Unavailable),
        (False, [NO_TACTIC], BuildError),
        (True, [NO_TACTIC, "the workspace limit is too small"], BuildError),
        (True, [NO_TACTIC, "Error Code 2: OutOfMemory"], BuildError),
        (False, ["Error Code 9: API Usage Error (BF16 is not supported on this GPU)"], Unavailable),
        (False, ["Error Code 1: Myelin"], BuildError),
    ],
)
def test_only_what_a_library_or_gpu_lacks_is_a_rows_reason(may_lack_kernels, errors, kind):
    assert type(trt_build._build_failure(trt, Words(*errors), may_lack_kernels)) is kind


def test_the_log_of_a_failed_build_stays(tmp_path):
    log = tmp_path / "logs" / "trt.log"
    with pytest.raises(BuildError, match=rf"tensorrt_rtx's log is in {log}"):
        build(tmp_path, Fp32(), workspace_mb=1, profiles=[[1, 4096, 8192]])
    assert "workspace limit" in log.read_text()


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


def test_a_gpu_that_cannot_be_used_to_build_on_is_a_reason(monkeypatch):
    def in_use() -> str:
        raise cuda.CudaError("cudaFree", "cudaErrorDevicesUnavailable", "busy")

    monkeypatch.setattr(cuda, "use_first_device", in_use)
    monkeypatch.setattr(
        "roundoff.backend.trt.backend.import_tensorrt", lambda name: SimpleNamespace(IBuilderConfig=object)
    )
    with pytest.raises(Unavailable, match=r"^tensorrt builds for the GPU of this machine; cudaFree: .*busy"):
        Tensorrt(module="tensorrt").builds_on()


def test_a_platform_without_packages_is_a_reason_and_a_missing_package_an_error(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    backend = Tensorrt(module="tensorrt")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert backend.refusal(Fp32()) is None
    with pytest.raises(
        BuildError, match=r"tensorrt is not installed(.*\n)+  fix:      pip install 'tensorrt>=10\.11,<12'"
    ):
        build(tmp_path, Fp32(), module="tensorrt")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert str(backend.refusal(Fp32())) == (
        "Python module tensorrt is not installed: it has no packages for this platform"
    )
