"""PyTorch on the CPU behind the fake GPU: its memory is the host's, and work on a stream is done at once."""

from __future__ import annotations

import ctypes
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import onnx
import pytest

from roundoff.backend import cuda, gpu
from roundoff.backend.cuda import Stream
from roundoff.precision.base import Grid
from tests.support.fake_cuda import FakeCuda
from tests.support.networks import residual_network


@pytest.fixture
def graph(tmp_path):
    """Writes a residual network in a precision; the file."""

    def write(precision):
        path = tmp_path / f"{precision.weights}.onnx"
        onnx.save(precision.convert(residual_network(), Grid(), None), path)
        return path

    return write


@pytest.fixture
def torch_on_fake_gpu(monkeypatch) -> FakeCuda:
    """`running` with the fake GPU's streams and memory, a graph that repeats its work, and the interpreted network."""
    torch = pytest.importorskip("torch")
    from roundoff.backend.torch_compile import compiled, running

    fake = FakeCuda()
    monkeypatch.setattr(cuda, "runtime", lambda: fake)
    monkeypatch.setattr(gpu, "WARM_S", 0.001)
    monkeypatch.setitem(sys.modules, "pynvml", SimpleNamespace(nvmlInit=_no_nvml, NVMLError=OSError))
    monkeypatch.setattr(running, "TorchStream", OnFake)
    monkeypatch.setattr(running, "_STREAMS", [])
    monkeypatch.setattr(running, "TorchGraph", Repeated)
    monkeypatch.setattr(running, "tensor_at", _host_tensor)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 1))
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: fake.used)
    monkeypatch.setattr(torch, "compile", lambda module, **_: module)
    monkeypatch.setattr(compiled, "_PROGRAMS", {})
    return fake


def _no_nvml() -> None:
    raise OSError


class OnFake(Stream):
    torch = None


class Repeated:
    """A graph: the work itself, done again at each launch."""

    captured = 0

    def __init__(self, stream, work, pool) -> None:
        self.work = work
        type(self).captured += 1

    def launch(self, stream) -> None:
        self.work()

    def close(self) -> None:
        self.work = lambda: None


def _host_tensor(address, shape, kind):
    import torch

    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    memory = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))
    return torch.from_numpy(memory.view(kind).reshape(shape))
