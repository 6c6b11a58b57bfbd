"""One file and one YAML add a model, dataset, calibrator, precision or backend: no Python of the package changes."""

import json
import re
import shutil
from pathlib import Path

import pytest

from roundoff.backend.fingerprint import fingerprint
from roundoff.system.files import write_json

YAMLS = {
    "model/one_conv": "_target_: outside.OneConv\nfilters: 6\n",
    "dataset/stripes": "_target_: outside.Stripes\n",
    "calibrate/shrunk": "_target_: outside.Shrunk\nimages: 64\nheld_out: 32\nshare: 0.9\n",
    "precision/coarse": "# @package more.coarse\n_target_: outside.Coarse\nbits: 5\n",
    "backend/plain": "# @package backends.plain\n_target_: outside.Reference\n",
}
CHOICES = (
    "model=one_conv",
    "dataset=stripes",
    "precision=[fp32,fp16,int8,coarse]",
    "calibrate=shrunk",
    "backend=[onnxruntime,plain]",
    "train.epochs=6",
    "train.shift_pixels=0",
    "evaluate.batch_sizes=[1]",
)


@pytest.mark.slow  # a pipeline of its own
def test_parts_from_outside_the_package_take_part(make_project):
    project = make_project()
    shutil.copy(Path(__file__).with_name("outside.py"), project.folder / "src")
    for name, text in YAMLS.items():
        (project.folder / "conf" / f"{name}.yaml").write_text(text)
    project.params(*CHOICES)
    project.repro()
    coarse = project.metrics("more")["coarse"]
    assert {name: coarse[name]["status"] for name in ("onnxruntime", "plain")} == {
        "onnxruntime": "measured",
        "plain": "measured",
    }
    assert project.metrics("fp32")["plain"]["accuracy"]["top1"] > 0.9
    assert "float32 alone" in project.metrics("int8")["plain"]["reason"]["values"]["text"]
    assert project.metrics("calibrate")["method"] == "shrunk"
    assert kept_by_range(project) == pytest.approx(0.9)
    assert project.metrics("fp32")["method"]["precisions"]["coarse"]["weights"] == "float32"
    table = (project.folder / "metrics/report.md").read_text().partition("## Precision comparison")[2]
    rows = re.findall(r"^\| (?:\*\*★ )?(\w+)[^|]* / onnxruntime", table, re.M)
    assert rows[:3] == ["fp32", "coarse", "fp16"]
    told = json.loads((project.folder / "platform.json").read_text())
    assert "rich" in told["libraries"]
    assert told["id"] == fingerprint().id
    assert bond_is_held(project, told)


def kept_by_range(project):
    """The largest share of a tensor's highest value that its range reaches."""
    table = json.loads((project.folder / "models/calibration/table.json").read_text())["ranges"].values()
    return max(one["high"] / one["seen_high"] for one in table if one["seen_high"] > abs(one["seen_low"]))


def bond_is_held(project, told):
    """An engine of the outside backend is not loaded where the library that it is bound to is another."""
    told["libraries"]["rich"] = "0.1"
    write_json(project.folder / "platform.json", told)
    run = project.python("stages/evaluate.py", "-cn", "frozen")
    assert run.returncode == 0, run.stdout + run.stderr
    row = project.metrics("fp32")["plain"]
    code, values = row["reason"]["code"], row["reason"]["values"]
    return (row["status"], code, values["key"]) == ("unavailable", "built_elsewhere", "libraries.rich")
