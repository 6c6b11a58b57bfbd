"""Sensitivity and a mixed precision through all stages: what is chosen is versioned, and rebuilds what it changes."""

import csv
import json

import pytest

FEW = (
    "calibrate.images=64",
    "calibrate.held_out=32",
    "sensitivity=on",
    "sensitivity.images=128",
    "mix.images=64",
    "mix.verify_images=256",
    "backend=[onnxruntime]",
    "precision=[fp32,fp16,int8,int8_mixed]",
)


def planned(project):
    said = project.dvc("repro", "--dry").stdout
    return {name for name in ("sensitivity", "mix", "evaluate", "calibrate") if f"stages/{name}.py" in said} | {
        name for name in ("int8", "int8_mixed") if f"build.py -cn frozen build.precision={name}\n" in said
    }


@pytest.mark.slow  # a pipeline of its own from calibration on
def test_a_mixed_precision_is_chosen_built_and_judged(copy_finished):
    project = copy_finished()
    project.params(*FEW)
    project.repro()
    with (project.folder / "metrics/sensitivity.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 10
    assert json.loads((project.folder / "metrics/sensitivity.json").read_text())["images"] == 128
    chosen = json.loads((project.folder / "models/mixed/int8_mixed.json").read_text())
    assert chosen["steps"][chosen["chosen"]]["verified"]["agreement"] > 0.9
    assert project.metrics("more")["int8_mixed"]["onnxruntime"]["status"] == "measured"
    assert "int8_mixed/onnxruntime" in project.metrics("verdict")["cells"]
    assert "## Which tensors cost the answers" in (project.folder / "metrics/report.md").read_text()
    assert planned(project) == set()
    project.params(*FEW, "verdict.min_relative_accuracy=0.95")
    assert planned(project) >= {"mix"}
    assert planned(project).isdisjoint({"int8", "sensitivity", "calibrate"})
    project.params(*(word for word in FEW if word != "sensitivity=on" and not word.startswith("sensitivity.")))
    project.repro()
    assert (project.folder / "metrics/sensitivity.csv").read_text().count("\n") == 1
    assert "Which tensors cost the answers" not in (project.folder / "metrics/report.md").read_text()
