"""The fake GPU that all these benchmarks run on."""

from __future__ import annotations

import pytest

from benchmarks.gpu import bare
from benchmarks.gpu import batch as batch_
from roundoff.backend import cuda
from roundoff.backend import gpu as gpu_bound
from tests.support.fake_cuda import FakeCuda


@pytest.fixture
def gpu(monkeypatch) -> FakeCuda:
    fake = FakeCuda()
    monkeypatch.setattr(cuda, "runtime", lambda: fake)
    monkeypatch.setattr(gpu_bound, "WARM_S", 0.001)
    monkeypatch.setattr(bare, "cuda", fake)
    monkeypatch.setattr(batch_, "WARM_S", 0.001)
    monkeypatch.setattr(batch_, "LARGEST", 1024)
    return fake
