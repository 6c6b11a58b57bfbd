"""The fakes have the names and parameters of what they stand for."""

from __future__ import annotations

import pytest

from tests.support import fake_trt
from tests.support.fake_cuda import FakeCuda


@pytest.mark.parametrize("name", [name for name in vars(FakeCuda) if name.startswith("cuda")])
def test_fake_cuda_has_the_real_names_and_parameters(name):
    real = pytest.importorskip("cuda.bindings.runtime")
    theirs, ours = getattr(real, name), getattr(FakeCuda, name)
    if callable(ours):
        signature = theirs.__doc__.split(")")[0].split("(", 1)[1]
        count = len([part for part in signature.split(",") if part.strip()])
        assert ours.__code__.co_argcount - 1 == count, theirs.__doc__.splitlines()[0]
    else:
        for member in vars(ours) if hasattr(ours, "__dict__") else ():
            assert hasattr(theirs, member)


@pytest.mark.parametrize(
    "kind", ["Runtime", "ICudaEngine", "IExecutionContext", "IRuntimeConfig", "IRuntimeCache", "EngineInspector"]
)
def test_fake_tensorrt_has_the_real_names(kind):
    trt = pytest.importorskip("tensorrt_rtx")
    for name in vars(getattr(fake_trt, kind)):
        if not name.startswith("_"):
            assert hasattr(getattr(trt, kind), name), f"{kind}.{name}"
