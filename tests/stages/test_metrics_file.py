"""DVC knows one metric, which fits on a screen."""

import subprocess
import sys
from dataclasses import replace

import yaml

from roundoff.results.metrics import write_metrics, write_summary
from roundoff.results.summary import Answer, BestCell, Summary
from tests.support.measured import cell, metrics
from tests.support.places import ROOT

PRECISIONS = ("fp32", "fp16", "int8")
BEST = BestCell(top1=0.9972222222222222, ms=0.25, x=2.8, mb=0.317, backend="onnxruntime")
OTHER = BestCell(top1=0.9944444444444445, ms=0.3, x=2.6, mb=0.0974, backend="tensorrt_rtx")


def summary(ship, verdict, best):
    return Summary(
        answer=Answer(ship=ship, verdict=dict.fromkeys(PRECISIONS, verdict)), precisions=dict.fromkeys(PRECISIONS, best)
    )


def ran(folder, *command):
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def test_the_summary_is_the_one_metric_of_dvc():
    stages = [stage.get("do", stage) for stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].values()]
    named = [path for stage in stages for metric in stage.get("metrics", []) for path in metric]
    assert named == ["${paths.metrics}/summary.json"]


def test_where_everything_changed_the_diff_has_twenty_rows_at_most_and_the_answer_comes_first(tmp_path):
    ran(tmp_path, "git", "init", "-q")
    ran(tmp_path, sys.executable, "-m", "dvc", "init", "-q")
    (tmp_path / "dvc.yaml").write_text("metrics: [metrics/summary.json]\n")
    write_summary(summary("int8/tensorrt_rtx", "pass", BEST), tmp_path / "metrics")
    write_metrics(metrics(int8__ort=cell()), tmp_path / "metrics")
    ran(tmp_path, "git", "add", "-A")
    ran(tmp_path, "git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "one")
    write_summary(summary(None, "undecided", OTHER), tmp_path / "metrics")
    diff = ran(tmp_path, sys.executable, "-m", "dvc", "metrics", "diff")
    names = [line.split()[1] for line in diff.splitlines()]
    assert names[1:5] == ["answer.ship", *(f"answer.verdict.{name}" for name in sorted(PRECISIONS))]
    assert len(names) == 1 + 19
    assert len(diff.encode()) < 3000
    write_metrics(metrics(int8__ort=replace(cell(), size_mb=7.0)), tmp_path / "metrics")
    of_file = ran(tmp_path, sys.executable, "-m", "dvc", "metrics", "diff", "--targets", "metrics/int8.json")
    assert [line.split()[1] for line in of_file.splitlines()] == ["Metric", "ort.size_mb"]
