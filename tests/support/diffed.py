"""A project in git with two runs, and what `roundoff diff` says of them."""

import json

from roundoff.cli import main
from roundoff.results.cell import Accuracy, Batch, CellMetrics
from roundoff.results.metrics import write_metrics, write_verdict
from roundoff.results.platform import Cpu, Gpu, Platform
from roundoff.results.run import Method, Metrics
from roundoff.results.verdict import CellVerdict, Criterion, Requirements, Verdict
from tests.support.repository import commit as commit_all

NAME = "int8/onnxruntime"


PLATFORM = Platform(id="aaaa", cpu=Cpu(model="one"), gpus=[Gpu(name="one")])


ACCURACY = Accuracy(top1=0.95, top1_low=0.94, top1_high=0.96, samples=1000, correct=950, nonfinite=0)


def write(folder, size=0.1, latency=0.1, platform=PLATFORM, method=None, accuracy=ACCURACY):
    """The metrics files of a run with one cell."""
    cell = CellMetrics(
        status="measured",
        effective_precision="int8",
        size_mb=size,
        accuracy=accuracy,
        batches={1: Batch(status="measured", device_p50_ms=latency)},
    )
    made = Metrics(platform=platform, reference=None, method=method or Method(), cells={NAME: cell})
    write_metrics(made, folder)


def commit_figures(project, **figures):
    write(project / "metrics", **figures)
    return commit_all(project)


def shown(capsys, *arguments):
    assert main(["diff", *arguments]) == 0
    return capsys.readouterr().out


def judge(project, verdict, **target):
    criterion = Criterion(name="min_relative_accuracy", verdict=verdict, limit=0.99, value=0.98)
    asked = Requirements(max_drop_points=None, **target)
    cells = {NAME: CellVerdict(verdict=verdict, criteria=[criterion])}
    write_verdict(Verdict(target=asked, cells=cells), project / "metrics")


def judgements(capsys, *arguments):
    found = json.loads(shown(capsys, *arguments, "--json"))
    return found, {change["figure"]: change["judgement"] for change in found["changes"]}
