"""The stages from build to report, as a user starts them, with a backend that fails to build."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.support.cells import images_and_labels, network, prepare
from tests.support.places import ROOT
from tests.support.tracing import TRACED

pytestmark = pytest.mark.slow  # runs stages

SETTINGS = (
    "hydra.run.dir=.",
    "hydra.output_subdir=null",
    "hydra/job_logging=stdout",
    "backend=[onnxruntime]",
    "+backends.failing._target_=failing.Failing",
    "calibrate.images=64",
    "evaluate.min_loads=6",
    "evaluate.min_seconds=0.02",
    "evaluate.budget_seconds=0.1",
    "evaluate.warmup_ms=1",
)


@pytest.fixture
def stage(tmp_path):
    """Run a stage in a folder with a trained graph and its data: the completed process."""
    (tmp_path / "data").mkdir()
    prepare(tmp_path / "data/prepared")
    images, labels = images_and_labels(1)
    np.save(tmp_path / "data/prepared/train_images.npy", images)
    np.save(tmp_path / "data/prepared/train_labels.npy", labels)
    manifest = json.loads((tmp_path / "data/prepared/manifest.json").read_text())
    manifest |= {
        "calibration_indices": list(range(200)),
        "counts": {"train": 200, "test": 200},
        "seed": 0,
        "shape": [8, 8, 3],
    }
    (tmp_path / "data/prepared/manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "models/onnx").mkdir(parents=True)
    onnx.save(network(trained=True), tmp_path / "models/onnx/model.onnx")
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics/noise.csv").write_text("tensor,kind,sqnr_db,low,high\n")
    env = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{Path(__file__).parent}"}

    def run(name, *overrides):
        command = [sys.executable, str(ROOT / f"stages/{name}.py"), *SETTINGS, *overrides]
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)

    assert run("probe").returncode == 0
    return run


def test_a_build_that_fails_is_a_row_up_to_the_report(stage, tmp_path):
    built = stage("build", "build.precision=fp32")
    assert built.returncode == 0, built.stdout + built.stderr
    assert built.stdout.splitlines()[-1].startswith("failed: fp32/failing (the build failed)")
    assert built.stdout.splitlines()[-1].endswith("dvc repro -f build-fp32")
    row = json.loads((tmp_path / "metrics/build-fp32.json").read_text())["failing"]
    assert (row["status"], row["detail"]) == ("failed", "RuntimeError: no kernel for node 7")
    evaluated = stage("evaluate")
    assert evaluated.returncode == 0, evaluated.stdout + evaluated.stderr
    assert "fp32/failing (the build failed)" in evaluated.stdout.splitlines()[-1]
    assert evaluated.stdout.splitlines()[-1].endswith("dvc repro -f build-fp32")
    cells = json.loads((tmp_path / "metrics/fp32.json").read_text())
    assert (cells["failing"]["status"], cells["failing"]["rerun"]) == ("failed", "dvc repro -f build-fp32")
    assert cells["onnxruntime"]["batch_1"]["device_p50_ms"] > 0
    reported = stage("report")
    assert reported.returncode == 0, reported.stdout + reported.stderr
    report = (tmp_path / "metrics/report.md").read_text()
    assert "not recommended there: fp32/failing. “Read before using these numbers” says why" in report.split("\n## ")[1]
    why = report.partition("## Read before using these numbers")[2].partition("\n## ")[0]
    assert "fp32/failing failed: the build failed" in why
    assert "no kernel for node 7" in report  # in the words of what failed, below the table


def test_a_strict_build_stops_with_an_error_and_no_traceback(stage, tmp_path):
    built = stage("build", "build.precision=fp32", "build.strict=true")
    assert built.returncode == 1
    assert "no kernel for node 7" in built.stdout + built.stderr
    assert TRACED or "Traceback" not in built.stdout + built.stderr
    assert not (tmp_path / "metrics/build-fp32.json").exists()


def test_a_library_that_ends_the_process_in_a_build_is_a_row(stage, tmp_path):
    built = stage("build", "build.precision=fp32", "++backends.failing._target_=failing.CrashesBuilding")
    assert built.returncode == 0, built.stdout + built.stderr
    said = "the build ended the process by SIGABRT: a library's machine code failed"
    assert built.stdout.splitlines()[-1].startswith(f"failed: fp32/failing ({said})")
    assert "warning: building fp32/failing: a library's machine code failed" in built.stderr
    rows = json.loads((tmp_path / "metrics/build-fp32.json").read_text())
    assert (rows["failing"]["status"], rows["onnxruntime"]["status"]) == ("failed", "built")
    assert not list(tmp_path.rglob(".partial.*"))


def test_a_library_that_ends_the_process_while_it_is_measured_is_a_row(stage, tmp_path):
    crashing = "++backends.failing._target_=failing.CrashesLoading"
    assert stage("build", "build.precision=fp32", crashing).returncode == 0
    evaluated = stage("evaluate", crashing)
    assert evaluated.returncode == 0, evaluated.stdout + evaluated.stderr
    cells = json.loads((tmp_path / "metrics/fp32.json").read_text())
    reason = cells["failing"]["reason"]
    assert (cells["failing"]["status"], reason["code"]) == ("failed", "library_crashed")
    assert (reason["values"]["doing"]["code"], reason["values"]["signal"]) == ("doing_loading", "SIGSEGV")
    assert cells["onnxruntime"]["batch_1"]["device_p50_ms"] > 0
    assert not list(tmp_path.rglob(".partial.*"))


@pytest.mark.parametrize(
    ("where", "doing"), [("device_only", "doing_timed_run"), ("outputs", "doing_outputs"), ("close", "doing_freeing")]
)
def test_a_library_that_ends_the_process_at_one_batch_size_leaves_the_others(stage, tmp_path, where, doing):
    settings = "++backends.failing._target_=failing.CrashesTimed", f"+backends.failing.where={where}"
    assert stage("build", "build.precision=fp32", *settings).returncode == 0
    evaluated = stage("evaluate", *settings, "evaluate.batch_sizes=[1,8]")
    assert evaluated.returncode == 0, evaluated.stdout + evaluated.stderr
    cell = json.loads((tmp_path / "metrics/fp32.json").read_text())["failing"]
    assert (cell["status"], cell["batch_1"]["status"], cell["batch_8"]["status"]) == ("measured", "measured", "failed")
    reason = cell["batch_8"]["reason"]
    assert (reason["code"], reason["values"]["doing"]["code"]) == ("library_crashed", doing)
