"""What the backend onnxruntime_cuda asks of onnxruntime-gpu, which needs no GPU to be looked at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from roundoff.backend import cuda
from roundoff.backend.onnxrt.probes import not_implemented
from roundoff.backend.onnxrt_cuda.backend import OnnxRuntimeCuda
from roundoff.backend.onnxrt_cuda.sessions import ASSIGNMENT, ON_CPU, PROVIDER, UNSYNCHRONIZED, Sessions, on_the_cpu
from roundoff.errors import Unavailable
from roundoff.precision.fp16 import Fp16
from tests.support.networks import pictures, residual_network

ort = pytest.importorskip("onnxruntime")
if PROVIDER not in ort.get_available_providers():
    pytest.skip("an onnxruntime without the CUDA provider", allow_module_level=True)

CAPI = Path(ort.__file__).parent / "capi"


@pytest.fixture
def graph(tmp_path) -> Path:
    path: Path = tmp_path / "graph.onnx"
    onnx.save(residual_network(), path)
    return path


@pytest.mark.parametrize("option", Sessions(Path(), True, "DEFAULT").provider_options(1))
def test_the_provider_knows_each_option(option):
    assert option.encode() in (CAPI / "libonnxruntime_providers_cuda.so").read_bytes()


@pytest.mark.parametrize("key", [ASSIGNMENT, UNSYNCHRONIZED])
def test_the_library_knows_each_setting(key):
    (library,) = CAPI.glob("libonnxruntime.so*")
    assert key.encode() in library.read_bytes()


def test_a_run_may_be_left_unsynchronized():
    options = ort.RunOptions()
    options.add_run_config_entry(UNSYNCHRONIZED, "1")
    assert options.get_run_config_entry(UNSYNCHRONIZED) == "1"


def test_a_session_tells_who_computes_what_and_binds_addresses(graph):
    options = ort.SessionOptions()
    options.add_session_config_entry(ASSIGNMENT, "1")
    session = ort.InferenceSession(str(graph), options, providers=[ON_CPU])
    assert "Conv" in on_the_cpu(session)
    images, logits = pictures(2), np.zeros((2, 5), np.float32)
    binding = session.io_binding()
    binding.bind_input(session.get_inputs()[0].name, "cpu", 0, np.uint8, images.shape, images.ctypes.data)
    shape = (2, session.get_outputs()[0].shape[-1])
    logits = np.zeros(shape, np.float32)
    binding.bind_output(session.get_outputs()[0].name, "cpu", 0, np.float32, shape, logits.ctypes.data)
    session.run_with_iobinding(binding, ort.RunOptions())
    assert logits.any()


@pytest.mark.skipif(cuda.absence() is None, reason="this machine has a GPU")
def test_without_a_gpu_nothing_is_taken_for_the_cpus(graph):
    with pytest.raises(Unavailable, match="CUDA provider that does not load here"):
        Sessions(graph, False, "DEFAULT").made(None)
    assert "no CUDA device" in str(OnnxRuntimeCuda().refusal(Fp16()))


def test_an_operator_without_a_kernel_has_an_error_of_its_own():
    assert issubclass(not_implemented(), Exception)
