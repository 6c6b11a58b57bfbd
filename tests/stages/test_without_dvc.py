"""The stages after export, by benchmarks/gpu/results.sh, where TensorFlow and DVC cannot be imported."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.places import ROOT

SCRIPT = ROOT / "benchmarks/gpu/results.sh"
STEPS = "sensitivity, build, profile, mix, evaluate, harness, leaks, profiles and spread"
QUICK = "evaluate.min_loads=6 evaluate.min_seconds=0.05 evaluate.budget_seconds=0.05"


@pytest.fixture
def results(tmp_path):
    """Run the script on a model and prepared images, by default on none: the completed process."""
    for name in ("tensorflow", "keras", "dvc"):
        (tmp_path / "blocked").mkdir(exist_ok=True)
        (tmp_path / "blocked" / f"{name}.py").write_text(f"raise ImportError('{name} was imported')")
    found_first = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | {"PATH": found_first, "PYTHONPATH": str(tmp_path / "blocked"), "MORE": "", "OVERRIDES": QUICK}

    def run(steps, prepared=tmp_path, model=tmp_path / "model.onnx"):
        command = [SCRIPT, prepared, tmp_path / "out", steps, model]
        return subprocess.run(command, env=env, capture_output=True, text=True)

    return run


@pytest.mark.slow  # builds, evaluates and reports once more
def test_a_model_becomes_a_report_in_both_languages(results, finished, tmp_path):
    made, out = finished.folder, tmp_path / "out"
    run = results("build evaluate", made / "data/prepared", made / "models/onnx/model.onnx")
    logs = "\n".join(path.read_text() for path in (out / "log").iterdir())
    assert run.returncode == 0, run.stdout + run.stderr + logs
    assert [line.split(": ")[0] for line in run.stdout.splitlines()] == ["build-model", "evaluate-model"]
    row = json.loads((out / "model" / "fp32.json").read_text())["onnxruntime"]
    assert row["accuracy"]["top1"] == finished.metrics("fp32")["onnxruntime"]["accuracy"]["top1"]
    assert "onnxruntime" in (out / "model" / "report.md").read_text()
    assert "ベンチマーク" in (out / "model" / "report.ja.md").read_text()


def test_a_step_that_fails_is_told_and_ends_in_an_error(results, tmp_path):
    run = results("evaluate")  # of what was never built
    assert run.returncode == 1
    assert "evaluate-model: " in run.stdout
    assert run.stdout.endswith("exit code 1\n")
    assert "is missing" in (tmp_path / "out" / "log" / "evaluate-model.txt").read_text()


def test_a_step_that_does_not_exist_is_refused(results):
    run = results("biuld")
    assert run.returncode == 2
    assert run.stderr == f"error: no step biuld; the steps are {STEPS}\n"
