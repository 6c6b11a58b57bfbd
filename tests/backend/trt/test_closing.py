"""A runner that ends, fails or is interrupted leaves nothing behind, and says what happened."""

from __future__ import annotations

import pytest

from roundoff.backend import cuda
from roundoff.backend.trt import runner as trt_runner
from roundoff.backend.trt.context import SCRATCH
from roundoff.backend.trt.library import make_log
from tests.support import fake_trt
from tests.support.fake_cuda import Error
from tests.support.fake_trt import FakeTensorrt, images


def test_a_hundred_cycles_leave_nothing(load, gpu):
    for _ in range(100):
        runner = load(streams=2)
        runner.bind([images(1), images(1)])
        runner.close()
        assert not gpu.live
    assert gpu.used == 0


def test_closing_twice_is_harmless(load):
    runner = load()
    bound = runner.bind([images(1)])
    runner.close()
    runner.close()
    bound.close()


def test_a_failing_call_is_named_with_cudas_own_words(load, gpu):
    with load().bind([images(1)]) as bound:
        gpu.fail["cudaStreamSynchronize"] = Error.cudaErrorInvalidValue
        with pytest.raises(cuda.CudaError, match=r"cudaStreamSynchronize: cudaErrorInvalidValue \(words for"):
            bound.end_to_end(1)
        gpu.fail.clear()


def test_closing_frees_everything_even_if_the_device_has_failed(load, gpu):
    runner = load()
    runner.bind([images(8)])
    gpu.fail["cudaStreamSynchronize"] = Error.cudaErrorInvalidValue
    with pytest.raises(cuda.CudaError, match="cudaStreamSynchronize"):
        runner.close()
    gpu.fail.clear()
    assert not gpu.live
    assert SCRATCH.blocks == []


def test_a_binding_that_fails_to_close_frees_everything_and_its_runner_too(load, gpu):
    runner = load()
    bound = runner.bind([images(8)])
    gpu.fail["cudaStreamSynchronize"] = Error.cudaErrorInvalidValue
    with pytest.raises(cuda.CudaError, match="cudaStreamSynchronize"):
        bound.close()
    gpu.fail.clear()
    runner.close()
    assert not gpu.live


def test_loading_that_fails_at_the_kernels_frees_everything(load, gpu, monkeypatch):
    def broken(self):
        raise MemoryError("serialize")

    monkeypatch.setattr(fake_trt.IRuntimeCache, "serialize", broken)
    with pytest.raises(MemoryError):
        load()
    assert not gpu.live


def test_a_closed_engine_is_not_run(load):
    runner = load()
    runner.close()
    with pytest.raises(ValueError, match="closed"):
        runner.infer(images(1))
    with pytest.raises(ValueError, match="closed"):
        runner.bind([images(1)])


@pytest.mark.parametrize(("kind", "call"), [("IExecutionContext", "set_input_shape"), ("IRuntimeCache", "serialize")])
def test_an_interrupt_inside_tensorrt_comes_through_at_once(load, gpu, monkeypatch, kind, call):
    trt = FakeTensorrt(gpu)
    runner = load(trt)
    called = getattr(getattr(fake_trt, kind), call)

    def interrupted(self, *arguments):
        make_log(trt).raised = KeyboardInterrupt()
        monkeypatch.setattr(fake_trt.IExecutionContext, "execute_async_v3", forbidden)
        monkeypatch.setattr(trt_runner, "write_cache", forbidden)
        return called(self, *arguments)

    def forbidden(*arguments):
        raise AssertionError("work went on after the interrupt")

    monkeypatch.setattr(getattr(fake_trt, kind), call, interrupted)
    with pytest.raises(KeyboardInterrupt):
        runner.bind([images(1)])
