"""What evaluate refuses, and what a cell that should work and fails does to the others."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from roundoff.backend.onnxrt.backend import OnnxRuntime, OnnxRuntimeBinding, OnnxRuntimeRunner
from roundoff.errors import BuildError, ConfigError, DataError, GateError
from roundoff.system.files import read_json, write_json
from tests.support.cells import (
    BACKENDS,
    CLASSES,
    QUICK,
    STRICT,
    Nowhere,
    build,
    prepare,
    run,
)


def test_without_fp32_the_metrics_of_before_stay(fresh):
    write_json(fresh / "metrics/fp32.json", {"before": 1})
    with pytest.raises(GateError, match=r"no FP32 cell runs here(.|\n)*fp32/nowhere is unavailable \(no such device"):
        run(fresh, backends={"nowhere": Nowhere()})
    assert json.loads((fresh / "metrics/fp32.json").read_text()) == {"before": 1}
    assert not (fresh / "predictions").exists()


def test_without_an_engine_the_metrics_of_before_stay(fresh):
    write_json(fresh / "metrics/fp32.json", {"kept": 1})
    for cell in fresh.glob("engines/*/*"):
        shutil.rmtree(cell)
    with pytest.raises(DataError, match="no engine here: run `dvc pull` or `dvc repro`"):
        run(fresh)
    assert read_json(fresh / "metrics/fp32.json") == {"kept": 1}


def test_an_untrained_model_is_refused(tmp_path):
    prepare(tmp_path / "data")
    build(tmp_path, trained=False)
    with pytest.raises(GateError, match="no better than chance"):
        run(tmp_path)
    assert not (tmp_path / "metrics").exists()


def test_outputs_that_are_never_written_are_refused(fresh, monkeypatch):
    monkeypatch.setattr(OnnxRuntimeBinding, "compute", lambda self, index: None)
    with pytest.raises(GateError, match=r"[28] outputs never written"):
        run(fresh)


@pytest.mark.parametrize(("method", "mode"), [("answer", "device-only"), ("round_trip", "end-to-end")])
def test_a_timed_mode_that_computes_something_else_is_refused(fresh, monkeypatch, method, mode):
    true_answer = getattr(OnnxRuntimeBinding, method)
    monkeypatch.setattr(OnnxRuntimeBinding, method, lambda self, index: 1.1 * true_answer(self, index))
    with pytest.raises(GateError, match=rf"{mode} timed mode does not compute(.|\n)*relative error 0\.(1|09)"):
        run(fresh)


def test_outputs_that_overflow_in_the_timed_mode_are_refused(fresh, monkeypatch):
    monkeypatch.setattr(OnnxRuntimeBinding, "answer", lambda self, index: np.full((self.batch_size, CLASSES), np.inf))
    with pytest.raises(GateError, match="not finite"):
        run(fresh)


def test_a_cell_that_should_work_and_fails_stops_a_strict_run(fresh, monkeypatch):
    def broken(self, images):
        raise RuntimeError("kernel launch failed")

    monkeypatch.setattr(OnnxRuntimeRunner, "infer", broken)
    with pytest.raises(GateError, match=r"running the test set failed(.|\n)*RuntimeError: kernel launch failed"):
        run(fresh, STRICT)


def test_a_failure_to_load_names_the_cell(fresh, monkeypatch):
    def broken(self, directory):
        raise BuildError("no", received=1, expected=2, fix="mend it")

    monkeypatch.setattr(OnnxRuntime, "load", broken)
    with pytest.raises(BuildError) as error:
        run(fresh, STRICT)
    assert error.value.__notes__[0].startswith("while loading fp32/onnxruntime from ")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("batch_sizes", []),
        ("batch_sizes", [1, -32]),
        ("batch_sizes", [8, 8]),
        ("warmup_ms", -1.0),
        ("warmup_runs", 0),
        ("min_seconds", 0.0),
        ("budget_seconds", float("inf")),
        ("min_loads", 5),
        ("rounds_per_load", 0),
        ("interval_target", 0.0),
        ("chance_margin", 1.0),
        ("input_buffers", 0),
    ],
)
def test_a_bad_setting_is_refused(key, value):
    with pytest.raises(ConfigError, match=f"{key} is out of range"):
        replace(QUICK, **{key: value})


def test_backend_named_like_a_metrics_key_is_refused(fresh):
    with pytest.raises(ConfigError, match="a backend's name is taken"):
        run(fresh, backends={"platform": BACKENDS["onnxruntime"]})
