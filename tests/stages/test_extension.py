"""One file and one YAML add a model, a dataset, a precision or a backend: no Python of the package changes."""

import shutil
from pathlib import Path

import pytest

YAMLS = {
    "model/one_conv": "_target_: outside.OneConv\nfilters: 6\n",
    "dataset/stripes": "_target_: outside.Stripes\n",
    "precision/coarse": "# @package precisions.coarse\n_target_: outside.Coarse\nbits: 5\n",
    "backend/plain": "# @package backends.plain\n_target_: outside.Reference\n",
}
CHOICES = (
    "model=one_conv",
    "dataset=stripes",
    "precision=[fp32,fp16,int8,coarse]",
    "build.more=[coarse]",
    "backend=[onnxruntime,plain]",
    "train.epochs=6",
    "train.shift_pixels=0",
    "calibrate.images=64",
    "calibrate.held_out=32",
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
    assert "float32 alone" in project.metrics("int8")["plain"]["reason"]
