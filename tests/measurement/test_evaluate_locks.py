"""The evaluate stage and the devices' locks: who holds them, and where they lie."""

from contextlib import contextmanager
from dataclasses import replace

import pytest

from roundoff.backend.onnxrt.backend import OnnxRuntimeRunner
from roundoff.errors import GateError
from roundoff.measurement import answered
from roundoff.system.device_lock import lock_path
from roundoff.system.lock_file import ELSEWHERE
from tests.support.cells import (
    QUICK,
    STRICT,
    run,
)


def test_the_test_set_runs_under_the_devices_lock_and_a_failure_names_the_cell(fresh, monkeypatch):
    held = []

    @contextmanager
    def lock(device, locking):
        assert locking.directory == str(fresh)
        held.append(device)
        yield 0.0
        held.pop()

    def broken(self, images):
        assert held == ["cpu"]
        raise GateError("no", received=1, expected=2, fix="mend it")

    monkeypatch.setattr(answered, "shared_device", lock)
    monkeypatch.setattr(OnnxRuntimeRunner, "infer", broken)
    with pytest.raises(GateError) as error:
        run(fresh, replace(STRICT, lock_directory=str(fresh)))
    assert error.value.__notes__ == ["while fp32/onnxruntime ran the test set"]


def test_the_locks_lie_where_the_setting_says(fresh, tmp_path_factory, monkeypatch):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.setenv(ELSEWHERE, str(fresh / "nowhere"))  # where none can lie
    run(fresh, replace(QUICK, lock_directory=str(elsewhere)))
    lock = lock_path("cpu", str(elsewhere))
    assert set(elsewhere.iterdir()) == {lock, lock.with_suffix(".turn"), lock.with_suffix(".timing")}
