"""The backend's settings and refusals, which need no PyTorch."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from roundoff.backend import cuda
from roundoff.backend.base import Source
from roundoff.backend.torch_compile import backend as torch_backend
from roundoff.backend.torch_compile.backend import TorchCompile
from roundoff.errors import ConfigError, Unavailable
from roundoff.precision.bf16 import Bf16
from roundoff.precision.fp8 import Fp8
from roundoff.precision.fp16 import Fp16
from roundoff.precision.fp32 import Fp32
from roundoff.precision.int8 import Int8
from roundoff.precision.int8_int16 import Int8Int16
from roundoff.precision.tf32 import Tf32
from roundoff.results.message import Words, message
from tests.support.fake_cuda import Error, FakeCuda
from tests.support.networks import pictures
from tests.support.present import present

FLOATS = (Fp32(), Tf32(), Fp16(), Bf16())


@pytest.fixture
def gpu(monkeypatch) -> FakeCuda:
    """A GPU, and a PyTorch that can use it."""
    fake = FakeCuda()
    monkeypatch.setattr(cuda, "runtime", lambda: fake)
    have_torch(monkeypatch, usable=True)
    return fake


def have_torch(monkeypatch, usable):
    torch = SimpleNamespace(__version__="2.9.9", cuda=SimpleNamespace(is_available=lambda: usable))
    monkeypatch.setattr(torch_backend, "_torch", lambda: torch)


def raises(error):
    def import_it():
        raise error

    return import_it


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"batch_sizes": []}, r"batch_sizes of the torch backend is wrong\n  received: \[\]"),
        ({"batch_sizes": [0, 1]}, "each of 1 or more"),
        ({"mode": "reduce-overhead"}, "expected: one of default, max-autotune-no-cudagraphs"),
        ({"streams": 1}, "at least 2, so that copies overlap compute"),
    ],
)
def test_wrong_settings_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        TorchCompile(**settings)


@pytest.mark.parametrize("precision", FLOATS)
def test_float_precisions_are_built_on_a_gpu(gpu, precision):
    assert TorchCompile().refusal(precision) is None
    assert TorchCompile().lack() is None
    assert TorchCompile().builds_on() == "GPU-00010203-0405-0607-0809-0a0b0c0d0e0f"


@pytest.mark.parametrize("precision", [Int8(), Int8Int16(), Fp8()])
def test_quantized_graphs_are_for_other_backends(gpu, precision):
    assert str(TorchCompile().refusal(precision)).startswith("torch.compile computes FP32, TF32, FP16 and BF16 here")


def test_without_pytorch_the_row_names_the_command(monkeypatch):
    monkeypatch.setattr(torch_backend, "_torch", raises(ModuleNotFoundError("No module named 'torch'")))
    reason = TorchCompile().refusal(Fp16())
    missing = message("no_torch", words="No module named 'torch'")
    assert reason == message("installable", what=missing, remedy=torch_backend.INSTALL)
    assert "pip install 'torch>=2.6,<3'" in Words("en").sentence(present(reason))
    assert "pip install 'torch>=2.6,<3'" in Words("ja").sentence(present(reason))
    lack = present(TorchCompile().lack())
    assert lack.what == "PyTorch cannot be imported here (No module named 'torch')"
    assert lack.remedy == torch_backend.INSTALL


def test_without_a_gpu_the_row_says_so(gpu):
    gpu.fail["cudaGetDeviceCount"] = Error.cudaErrorInsufficientDriver
    assert "one too old: cudaGetDeviceCount" in str(TorchCompile().refusal(Fp16()))
    assert present(TorchCompile().lack()).remedy == "a machine with an NVIDIA GPU and its driver"


def test_a_pytorch_without_cuda_beside_a_gpu_is_told_apart(gpu, monkeypatch):
    have_torch(monkeypatch, usable=False)
    assert "this PyTorch (2.9.9) cannot use the GPU" in str(TorchCompile().refusal(Fp16()))
    assert present(TorchCompile().lack()).remedy == torch_backend.INSTALL


@pytest.mark.parametrize("precision", [Tf32(), Bf16()])
def test_a_gpu_without_the_units_is_named(monkeypatch, precision):
    monkeypatch.setattr(cuda, "runtime", lambda: FakeCuda(capability=(7, 5)))
    have_torch(monkeypatch, usable=True)
    assert "needs a GPU of compute capability 8.0; this one has 7.5" in str(TorchCompile().refusal(precision))
    assert TorchCompile().refusal(Fp16()) is None


def test_building_loading_and_locking_say_the_same(monkeypatch, tmp_path):
    monkeypatch.setattr(torch_backend, "_torch", raises(ImportError("libcudart.so.13: no such file")))
    source = Source("fp16", Fp16(), tmp_path / "graph.onnx", None, pictures(1))
    backend = TorchCompile()
    for attempt in (lambda: backend.build(source, tmp_path), lambda: backend.load(tmp_path), backend.builds_on):
        with pytest.raises(Unavailable, match=r"PyTorch cannot be imported here \(libcudart"):
            attempt()
