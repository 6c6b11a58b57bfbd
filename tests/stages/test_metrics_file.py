"""DVC knows one metric, which fits on a screen."""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace

import pytest
import yaml

from roundoff.results.metrics import write_metrics, write_summary
from roundoff.results.summary import Answer, BestCell, Summary
from tests.support.measured import cell, metrics
from tests.support.places import ROOT

PRECISIONS = ("fp32", "fp16", "int8")
TOP1 = 359 / 360
BEST = BestCell(top1=TOP1, ms=0.25, x=2.8, mb=0.317, backend="onnxruntime")
OTHER = BestCell(top1=0.9944444444444445, ms=0.3, x=2.6, mb=0.0974, backend="tensorrt_rtx")
MOST_ROWS, MOST_BYTES, MOST_COLUMNS, WIDTH = 20, 3000, 14, 120


def ran(folder, *command):
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "GIT_"))}
    environment |= {"COLUMNS": str(WIDTH)}
    return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout


def dvc(folder, *words):
    return ran(folder, sys.executable, "-m", "dvc", *words)


def write(folder, ship, verdict, best, epochs=6):
    answer = Answer(ship=ship, verdict=dict.fromkeys(PRECISIONS, verdict))
    cells = {name: replace(best, x=1.0) if name == "fp32" else best for name in PRECISIONS}
    write_summary(Summary(answer=answer, precisions=cells), folder / "metrics")
    (folder / "params.yaml").write_text(f"train: {{epochs: {epochs}}}\ncalibrate: {{images: {epochs}}}\n")


@pytest.fixture
def project(tmp_path):
    """A repository with a summary and the figures of a precision, committed."""
    ran(tmp_path, "git", "init", "-q")
    ran(tmp_path, "git", "config", "user.name", "t")
    ran(tmp_path, "git", "config", "user.email", "t@example.org")
    dvc(tmp_path, "init", "-q")
    (tmp_path / "dvc.yaml").write_text("metrics: [metrics/summary.json]\nparams: [params.yaml]\n")
    write(tmp_path, "int8/tensorrt_rtx", "pass", BEST)
    write_metrics(metrics(int8__ort=cell()), tmp_path / "metrics")
    ran(tmp_path, "git", "add", "-A")
    ran(tmp_path, "git", "commit", "-qm", "one")
    return tmp_path


def test_the_summary_is_the_one_metric_of_dvc():
    stages = [stage.get("do", stage) for stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].values()]
    named = [path for stage in stages for metric in stage.get("metrics", []) for path in metric]
    assert named == ["${paths.metrics}/summary.json"]


def test_where_everything_changed_the_diff_is_short_and_begins_with_the_answer(project):
    write(project, None, "undecided", OTHER)
    diff = dvc(project, "metrics", "diff")
    names = [line.split()[1] for line in diff.splitlines()[1:]]
    assert names[:4] == ["answer.ship", *(f"answer.verdict.{name}" for name in sorted(PRECISIONS))]
    assert len(names) <= MOST_ROWS
    assert len(diff.encode()) < MOST_BYTES


def test_every_figure_of_another_file_is_told_where_it_is_named(project):
    write_metrics(metrics(int8__ort=replace(cell(), size_mb=7.0)), project / "metrics")
    diff = dvc(project, "metrics", "diff", "--targets", "metrics/int8.json")
    assert [line.split()[1] for line in diff.splitlines()] == ["Metric", "ort.size_mb"]


@pytest.mark.slow
def test_the_readmes_line_shows_five_experiments_without_a_cut_cell(project):
    """All differ in all that is shown, and the names of backends are the longest that there are."""
    for number in range(5):
        best = replace(BEST, top1=TOP1 - number / 360, ms=0.1 + number, x=1.25 + number / 20, backend=f"b{number}")
        outcome, cell_name = ("pass", "fp16/tensorrt_rtx") if number % 2 else ("undecided", "int8/tensorrt_rtx")
        write(project, cell_name, outcome, best, epochs=10 + number)
        dvc(project, "exp", "save", "--force")
    (line,) = re.findall(r"^dvc (exp show .*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    shown = dvc(project, *shlex.split(line), "--no-pager")
    head, *rows = [row for row in shown.splitlines() if "──────" not in row]
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= WIDTH
    assert len(head.split()) <= MOST_COLUMNS
    accuracies, speedups = {f"{name}.top1" for name in PRECISIONS}, {"fp16.x", "int8.x"}
    assert {"answer.ship", "train.epochs", *accuracies, *speedups} <= set(head.split())
    assert len(rows) == 7  # the workspace, the commit, the experiments
