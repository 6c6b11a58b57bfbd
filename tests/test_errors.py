"""Errors cross process boundaries: a worker's error must arrive as what it is."""

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import pytest
from hydra.errors import CompactHydraException

from roundoff import errors
from roundoff.backend.cuda import CudaError
from roundoff.pipeline import stage

KINDS = [errors.ConfigError, errors.DataError, errors.CalibrationError, errors.BuildError, errors.GateError]


def fail(error: Exception) -> None:
    raise error


def made(kind: type[errors.RoundoffError]) -> errors.RoundoffError:
    return kind("it broke", received=[1, 2], expected="3", fix="mend it")


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_pickling(kind):
    again = pickle.loads(pickle.dumps(made(kind)))  # noqa: S301 - our own bytes
    assert type(again) is kind
    assert str(again) == str(made(kind))
    assert (again.what, again.received, again.expected, again.fix) == ("it broke", "[1, 2]", "3", "mend it")


def test_a_note_survives_pickling():
    with pytest.raises(errors.GateError) as error, errors.noted("while fp16/gpu ran the test set"):
        raise made(errors.GateError)
    assert pickle.loads(pickle.dumps(error.value)).__notes__ == ["while fp16/gpu ran the test set"]  # noqa: S301


def test_a_stage_prints_an_errors_note(monkeypatch):
    monkeypatch.setattr(stage, "check", lambda cfg: None)
    monkeypatch.setattr(stage, "_workspace", lambda: None)

    @stage.stage
    def evaluate(cfg, workspace):
        with errors.noted("while fp16/gpu ran the test set"):
            raise made(errors.GateError)

    with pytest.raises(
        CompactHydraException, match=r"error: it broke[\s\S]*mend it\n  while fp16/gpu ran the test set$"
    ):
        evaluate(None)


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
