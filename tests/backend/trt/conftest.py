"""A GPU and a TensorRT that are faked, and a runner on them."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from roundoff.backend import cuda
from roundoff.backend import gpu as gpu_bound
from roundoff.backend.trt.library import make_log
from roundoff.backend.trt.runner import TensorrtRunner
from roundoff.results.build import BuildInfo
from tests.support.fake_cuda import FakeCuda
from tests.support.fake_trt import FakeTensorrt


@pytest.fixture
def gpu(monkeypatch) -> FakeCuda:
    fake = FakeCuda()
    monkeypatch.setattr(cuda, "runtime", lambda: fake)
    monkeypatch.setattr(gpu_bound, "WARM_S", 0.001)
    monkeypatch.setitem(sys.modules, "pynvml", SimpleNamespace(nvmlInit=no_nvml, NVMLError=OSError))
    return fake


def no_nvml() -> None:
    raise OSError


@pytest.fixture
def load(gpu, tmp_path):
    runners = []

    def make(trt=None, plan=b"plan", build=None, streams=3, cuda_graphs=True) -> TensorrtRunner:
        trt = trt or FakeTensorrt(gpu)
        runners.append(
            TensorrtRunner(trt, plan, make_log(trt), build or BuildInfo(), tmp_path / "kernels", streams, cuda_graphs)
        )
        return runners[-1]

    yield make
    for runner in runners:
        runner.close()


@pytest.fixture(autouse=True)
def no_file_in_the_users_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
