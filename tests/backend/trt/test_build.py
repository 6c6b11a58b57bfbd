"""Real engines, built ahead of time: what the log and the facts say, and how failures are worded."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from roundoff.backend.base import Source
from roundoff.backend.trt import build as trt_build
from roundoff.backend.trt import cuda
from roundoff.backend.trt import library as trt_library
from roundoff.backend.trt.backend import Tensorrt
from roundoff.backend.trt.inspect import (
    Layer,
    layers_from_inspector,
    multiplications,
    note,
    refuse_false_claim,
    summarize,
)
from roundoff.backend.trt.library import import_tensorrt, make_build_log
from roundoff.backend.trt.progress import PhaseProgress, make_monitor
from roundoff.errors import BuildError, ConfigError, GateError, Unavailable
from roundoff.precision.base import Grid
from roundoff.precision.bf16 import Bf16
from roundoff.precision.fp16 import Fp16
from roundoff.precision.fp32 import Fp32
from roundoff.precision.int8 import Int8
from roundoff.precision.tf32 import Tf32
from roundoff.results.build import LayerTypes
from roundoff.results.checked import as_json
from roundoff.system.files import read_json
from tests.support.present import present

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
    with pytest.raises(Unavailable, match="no CUDA device: cudaGetDeviceCount: cudaError"):
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


def test_a_missing_package_is_named_with_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(
        BuildError, match=r"tensorrt is not installed.*\n.*\n.*\n  fix:      pip install 'tensorrt>=10\.11,<12'$"
    ):
        import_tensorrt("tensorrt")


@pytest.mark.parametrize(
    ("stub", "words"),
    [
        ("raise OSError('libnvinfer.so.11: cannot open shared object file')", r"libnvinfer\.so\.11: cannot open"),
        ("raise ImportError", "ImportError"),
        ("import tensorrt_bindings_of_nowhere", "No module named 'tensorrt_bindings_of_nowhere'"),
        ("raise RuntimeError('no CUDA driver')", "no CUDA driver"),
    ],
)
def test_libraries_that_do_not_load_are_an_error(stub, words, importing):
    with pytest.raises(BuildError, match=rf"does not load, or not all of its libraries\n  received: {words}") as error:
        importing(stub)
    assert error.value.fix.endswith("--force-reinstall")


def test_too_old_a_version_is_an_error(importing):
    with pytest.raises(BuildError, match=r"too old\n  received: version 10\.10\.0\.31\n  expected: .*10\.11 or later"):
        importing("__version__ = '10.10.0.31'")
    assert importing("__version__ = '10.11.0.33'").__version__ == "10.11.0.33"


@pytest.fixture
def importing(tmp_path, monkeypatch):
    def run(stub: str):
        (tmp_path / "tensorrt.py").write_text(stub)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        return import_tensorrt("tensorrt")

    yield run
    sys.modules.pop("tensorrt", None)


def test_nested_phases_add_up_to_the_whole():
    progress = PhaseProgress()
    progress.start("build", None, 2)
    progress.step("build", 0)
    assert progress.fraction == 0.5
    progress.start("optimize", "build", 4)
    for step in range(4):
        progress.step("optimize", step)
        assert progress.fraction == pytest.approx(0.5 + 0.125 * (step + 1))
    progress.step("build", 1)
    assert progress.fraction == 1.0


def test_a_phase_that_ends_before_its_last_step_is_complete():
    bar = SimpleNamespace(percent=0.0)
    bar.advance = lambda amount, note: setattr(bar, "percent", bar.percent + amount)
    monitor = make_monitor(trt, bar, SimpleNamespace(raised=None))
    monitor.phase_start("build", None, 4)
    monitor.phase_start("optimize", "build", 6)
    monitor.step_complete("optimize", 0)
    monitor.phase_finish("optimize")
    assert bar.percent == pytest.approx(25)
    monitor.phase_finish("build")
    assert bar.percent == pytest.approx(100)


def test_ctrl_c_during_a_build_asks_tensorrt_to_stop():
    class Interrupted:
        def advance(self, steps: float = 1, note: str = "") -> None:
            raise KeyboardInterrupt

    monitor = make_monitor(trt, Interrupted(), SimpleNamespace(raised=None))
    monitor.phase_start("build", None, 2)
    assert monitor.step_complete("build", 0) is False
    assert type(monitor.raised) is KeyboardInterrupt


def test_ctrl_c_in_the_log_asks_tensorrt_to_stop():
    log = SimpleNamespace(raised=None)
    monitor = make_monitor(trt, SimpleNamespace(advance=lambda amount, note: None), log)
    monitor.phase_start("build", None, 2)
    assert monitor.step_complete("build", 0) is True
    log.raised = KeyboardInterrupt()
    assert monitor.step_complete("build", 1) is False


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


INSPECTION = {
    "Layers": [
        {"Name": "Reformat", "LayerType": "Reformat", "Inputs": [{"Format/Datatype": "Float"}]},
        {"Name": "scaling", "LayerType": "kgen", "Inputs": [{"Datatype": "UInt8", "Format": "(Linear) Row major"}]},
        {
            "Name": "__myl_ConvRelu_myl0_1",
            "LayerType": "correlation",
            "Inputs": [{"Datatype": "Int8"}, {"Datatype": "Half"}],
            "Metadata": "[ONNX Layer: conv][ONNX Layer: relu]",
        },
        {"Name": "dense_layer", "LayerType": "gemm", "Inputs": [{"Format/Datatype": "Row major linear FP16"}]},
        {"Name": "done", "LayerType": "signal", "Inputs": []},
    ]
}


def test_inspection_shares_layers_and_compute_by_type():
    told = summarize(layers_from_inspector(json.dumps(INSPECTION)), {"conv": 300, "dense_layer": 100})
    assert told == LayerTypes(
        layer_types={"int8": 1, "float16": 1},
        all_layer_types={"float32": 1, "uint8": 1, "int8": 1, "float16": 1},
        compute_share={"int8": 0.75, "float16": 0.25},
    )
    assert str(note(present(told.layer_types))) == "convolutions and matrix products: 1 in int8, 1 in float16"


def test_shares_are_averaged_over_profiles_and_what_no_layer_names_is_unknown():
    def layer(profile: str, kind: str) -> dict[str, Any]:
        name = f"conv{profile}"
        return {"Name": name, "LayerType": "gemm", "Inputs": [{"Datatype": kind}], "Metadata": "[ONNX Layer: conv]"}

    first, second = layer("", "Int8"), layer(" [profile 1]", "Half")
    unnamed = {"Name": "wait", "LayerType": "conv", "Inputs": [{"Datatype": "Half"}]}
    found = summarize(
        layers_from_inspector(json.dumps({"Layers": [first, second, unnamed]})), {"conv": 300, "dense_layer": 100}
    )
    assert found.compute_share == {"int8": 0.375, "float16": 0.375, "unknown": 0.25}
    assert found.layer_types == {"int8": 1, "float16": 2}


def test_inspection_of_names_alone_tells_nothing():
    assert layers_from_inspector('{"Layers": ["conv + relu", "dense"]}') == []


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


def test_unknown_types_are_no_verdict_and_weights_tell_where_inputs_do_not():
    unknown = {"Name": "a", "LayerType": "Convolution", "Inputs": [{"Format/Datatype": "N/A due to dynamic shapes"}]}
    only = layers_from_inspector(json.dumps({"Layers": [unknown]}))
    assert summarize(only, {}).layer_types == {"unknown": 1}
    refuse_false_claim(["int8"], only, unknown_counts=True)
    weighed = {"Layers": [unknown | {"Weights": {"Type": "Int8", "Count": 432}}]}
    assert summarize(layers_from_inspector(json.dumps(weighed)), {}).layer_types == {"int8": 1}
    half = {"Layers": [unknown | {"Weights": {"Type": "Half", "Count": 432}}]}
    with pytest.raises(GateError, match="claims int8"):
        refuse_false_claim(["int8"], layers_from_inspector(json.dumps(half)), unknown_counts=True)


@pytest.mark.parametrize("missing", ["engine", "inspector", None])
def test_layers_of_a_version_compatible_plan_need_its_own_runtime(missing):
    runtime = SimpleNamespace(engine_host_code_allowed=False)
    inspector = SimpleNamespace(get_engine_information=lambda kind: json.dumps(INSPECTION))
    engine = SimpleNamespace(create_engine_inspector=lambda: None if missing == "inspector" else inspector)
    refused = missing == "engine"
    runtime.deserialize_cuda_engine = lambda plan: None if refused or not runtime.engine_host_code_allowed else engine
    library = SimpleNamespace(
        Runtime=lambda log: runtime, IBuilderConfig=object, LayerInformationFormat=SimpleNamespace(JSON=1)
    )
    layers = trt_build._layers(library, b"plan", SimpleNamespace(layers=""), host_code=True)
    assert len(layers) == (0 if missing else 5)


class Recorder:
    """A builder's configuration, or anything else that is told things: what it was told."""

    def __init__(self, **answers):
        self.__dict__.update(answers=answers, told=[])

    def __setattr__(self, name, value):
        self.told.append((name, value))

    def __getattr__(self, name):
        def call(*arguments):
            self.told.append((name, *arguments))
            answer = self.answers.get(name)
            return answer.pop(0) if isinstance(answer, list) else answer

        return call


def test_settings_reach_the_builder():
    config = Recorder(set_compute_capability=True)
    builder = Recorder(create_builder_config=config)
    settings = trt_build.Settings([], True, 7, 2, ["SM80", "SM89"], "NONE", False, False)
    trt_build._config(trt, builder, SimpleNamespace(num_inputs=0), settings, None)
    assert ("set_memory_pool_limit", trt.MemoryPoolType.WORKSPACE, 7 * 10**6) in config.told
    assert ("builder_optimization_level", 2) in config.told
    assert ("set_flag", trt.BuilderFlag.TF32) in config.told
    assert ("clear_flag", trt.BuilderFlag.VERSION_COMPATIBLE) in config.told
    assert ("num_compute_capabilities", 2) in config.told
    assert ("set_compute_capability", trt.ComputeCapability.SM89, 1) in config.told
    assert not [told for told in config.told if told[0] == "hardware_compatibility_level"]


def test_what_makes_an_engine_portable_reaches_the_builder():
    config = Recorder()
    settings = trt_build.Settings([], False, None, 3, [], "AMPERE_PLUS", True, False)
    trt_build._config(trt, Recorder(create_builder_config=config), SimpleNamespace(num_inputs=0), settings, None)
    assert ("hardware_compatibility_level", trt.HardwareCompatibilityLevel.AMPERE_PLUS) in config.told
    assert ("set_flag", trt.BuilderFlag.VERSION_COMPATIBLE) in config.told
    assert ("clear_flag", trt.BuilderFlag.TF32) in config.told
    assert not [told for told in config.told if told[0] == "set_memory_pool_limit"]


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


def test_a_false_claim_is_refused():
    layers = layers_from_inspector(json.dumps(INSPECTION))
    refuse_false_claim(["int8", "float16"], layers, unknown_counts=False)
    refuse_false_claim(["float32"], [], unknown_counts=False)
    with pytest.raises(
        GateError, match=r"claims float8_e4m3fn shows no convolution in float8_e4m3fn\n  received: {.* in int8': 1"
    ):
        refuse_false_claim(["float8_e4m3fn"], layers, unknown_counts=False)


def test_a_matrix_product_does_not_make_an_engine_of_convolutions_int8():
    half = Layer("Convolution", "float16", frozenset())
    product = Layer("gemm", "int8", frozenset())
    fused = Layer("runtime_fusion", "float32", frozenset())
    refuse_false_claim(["int8"], [product, fused], unknown_counts=False)
    with pytest.raises(
        GateError, match=r"no convolution in int8\n  received: {'Convolution in float16': 1, 'gemm in int8': 1}"
    ):
        refuse_false_claim(["int8"], [half, product], unknown_counts=True)


@pytest.mark.parametrize(
    "layers",
    [
        [],
        [Layer("kgen", "float16", frozenset())],
        [Layer("Convolution", kind, frozenset()) for kind in ("float16", None)],
    ],
    ids=["nothing told", "nothing that multiplies", "one of unknown type"],
)
def test_a_claim_that_is_not_shown_is_refused_unless_another_account_decides(layers):
    refuse_false_claim(["int8"], layers, unknown_counts=True)
    with pytest.raises(GateError, match="shows no convolution in int8"):
        refuse_false_claim(["int8"], layers, unknown_counts=False)


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
