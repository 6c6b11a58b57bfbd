"""Errors cross process boundaries: a worker's error must arrive as what it is."""

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import pytest

from roundoff import errors
from roundoff.backend.cuda import CudaError

KINDS = [errors.ConfigError, errors.DataError, errors.CalibrationError, errors.BuildError, errors.GateError]


def fail(error: Exception) -> None:
    raise error


def made(kind: type) -> errors.RoundoffError:
    return kind("it broke", received=[1, 2], expected="3", fix="mend it")


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_pickling(kind):
    again = pickle.loads(pickle.dumps(made(kind)))  # noqa: S301 - our own bytes
    assert type(again) is kind
    assert str(again) == str(made(kind))
    assert (again.what, again.received, again.expected, again.fix) == ("it broke", "[1, 2]", "3", "mend it")


def test_what_cannot_be_pickled_is_kept_as_words():
    error = errors.ConfigError("no", received=lambda: 0, expected="yes", fix="so")
    assert "function" in pickle.loads(pickle.dumps(error)).received  # noqa: S301 - our own bytes


def test_a_workers_error_arrives_as_what_it_is():
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        with pytest.raises(errors.GateError, match=r"it broke\n  received: \[1, 2\]"):
            pool.submit(fail, made(errors.GateError)).result()
        with pytest.raises(CudaError, match="cudaMalloc: cudaErrorMemoryAllocation") as caught:
            pool.submit(fail, CudaError("cudaMalloc", "cudaErrorMemoryAllocation", "no room")).result()
        assert caught.value.is_out_of_memory
        with pytest.raises(errors.Unavailable, match="no GPU"):
            pool.submit(fail, errors.Unavailable("no GPU")).result()
