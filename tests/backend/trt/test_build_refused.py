"""What TensorRT does not build, and whose fault that is."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import onnx
import pytest
from onnx import helper

from roundoff.backend import cuda
from roundoff.backend.base import Source
from roundoff.backend.trt import build as trt_build
from roundoff.backend.trt.backend import Tensorrt
from roundoff.errors import BuildError, ConfigError, Unavailable
from roundoff.precision.bf16 import Bf16
from roundoff.precision.fp16 import Fp16
from roundoff.precision.fp32 import Fp32
from tests.support.trt_builds import CALIBRATION, build, network, trt


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


@pytest.mark.skipif(not without_gpu(), reason="this machine has a GPU")
def test_a_build_for_the_current_gpu_is_refused_without_one():
    assert Tensorrt().refusal(Fp32()) is None
    assert "no CUDA device" in str(Tensorrt(compute_capabilities=("CURRENT",)).refusal(Fp32()))


def test_a_gpu_without_the_units_refuses(monkeypatch):
    monkeypatch.setattr(cuda, "absence", lambda: None)
    monkeypatch.setattr(cuda, "compute_capability", lambda: (7, 5))
    assert str(Tensorrt().refusal(Bf16())) == "bfloat16 needs a GPU of compute capability 8.0; this one has 7.5"
    assert Tensorrt().refusal(Fp16()) is None


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
