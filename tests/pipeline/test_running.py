"""The stages of dvc.yaml, or words on why there are none."""

import os

import pytest

from roundoff.errors import DataError
from roundoff.pipeline.running import dvc_stages
from tests.support.places import ROOT

BROKEN = {
    "byte": b"stages: caf\xff\n",
    "bracket": b"stages: [",
    "nothing": b"",
    "no stages": b"stages:\n",
    "another key": b"x: 1\n",
    "list": b"- stages\n",
    "list of stages": b"stages: [train]\n",
    "number": b"stages: {1: {}}\n",
    "depth": b"[" * 3000,
}


def test_build_is_each_stage_that_builds():
    builds = ["build-fp32", "build-fp16", "build-int8", "build-more", "build-mixed", "build-given"]
    assert dvc_stages(ROOT, ["build", "report"]) == [*builds, "report"]
    assert dvc_stages(ROOT, []) == []


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_what_has_no_stages_is_refused(tmp_path, content):
    (tmp_path / "dvc.yaml").write_bytes(content)
    with pytest.raises(DataError, match=r"dvc\.yaml (cannot be read|has no stages)(.|\n)*git checkout dvc\.yaml"):
        dvc_stages(tmp_path, [])


def test_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "dvc.yaml")
    with pytest.raises(DataError, match="is neither a file nor a folder"):
        dvc_stages(tmp_path, [])
