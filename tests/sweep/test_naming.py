import re
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roundoff.sweep.clone import changes_of
from roundoff.sweep.naming import experiment_name, outputs_of
from tests.support.repository import commit, git


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ([], "default"),
        (["model=resnet20", "calibrate=mse"], "model-resnet20_calibrate-mse"),
        (["train.epochs=3"], "epochs-3"),
        (["evaluate.batch_sizes=[1,32]"], "batch-sizes-1-32"),
        (["dataset.path=/data/犬 と 猫"], "path-data"),
        (["model.scale=1/255", "model.offset=-0.5"], "scale-1-255_offset-0.5"),
        (["a=" + "x" * 100], "a-" + "x" * 46),
        (["a=x....y"], "a-x.y"),
        (["a=x...", "b=.y"], "a-x_b-.y"),
        (["a=x=..=..y"], "a-x-.-.y"),
    ],
)
def test_a_name_says_the_settings(settings, words):
    name, _, digest = experiment_name(settings, b"").rpartition("_")
    assert name == words
    assert re.fullmatch("[0-9a-f]{8}", digest)


def test_the_same_settings_in_another_order_tell_no_two_experiments_apart():
    assert experiment_name(["a=1", "b=2"], b"")[-8:] == experiment_name(["b=2", "a=1"], b"")[-8:]


def test_other_sources_have_another_name():
    assert experiment_name(["a=1"], b"") != experiment_name(["a=1"], b"--- a/conf/config.yaml")


def git_takes(name):
    return subprocess.run(["git", "check-ref-format", f"refs/exps/1f/3a9c04/{name}"], check=False).returncode == 0


HARD = (
    "",
    "=",
    ".",
    "..",
    "-n",
    "@",
    "@{",
    "a=x....y",
    "a=.lock",
    "a.lock=",
    "~x",
    "+a=[1,2]",
    "a=b^c:d?*\\",
    "a=\n",
    "é=ü",
)


@pytest.mark.parametrize("setting", HARD)
def test_git_takes_every_name(setting):
    for settings_ in ([setting], [setting, setting], ["a=" + "x" * 46, setting], ["." * 60 + setting]):
        name = experiment_name(settings_, b"")
        assert git_takes(name)
        assert re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]*_[0-9a-f]{8}", name)


@given(st.lists(st.text("ax.=-_@{/~ ", max_size=12), max_size=4))
@settings(max_examples=40, deadline=None)
def test_git_takes_a_name_of_any_settings(chosen):
    assert git_takes(experiment_name(chosen, b""))


LOCK = """schema: '2.0'
stages:
  train:
    cmd: train
    outs:
    - path: models
    - path: platform.json
    - path: s3://bucket/far
    - path: ../elsewhere
    - path: /absolute
"""
WRITTEN = ("dvc.lock", "metrics/fp32.json", "models/net.bin", "platform.json", "models/.gitignore")


@pytest.fixture
def project(tmp_path):
    """A project below the top of a repository, after a run that was committed."""
    project = tmp_path / "repository/inner"
    for name in (*WRITTEN, "train.py", "metrics.py"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("before\n")
    (project / "dvc.lock").write_text(LOCK)
    (project.parent / "above.py").write_text("")
    git(project.parent, "init", "-q")
    commit(project)
    return project


def sources(project):
    return changes_of(project, outputs_of(project, "metrics"))


def test_a_run_in_the_workspace_renames_no_experiment(project):
    (project / "train.py").write_text("after\n")
    before = sources(project)
    assert b"train.py" in before
    for name in WRITTEN:
        (project / name).write_text(f"{(project / name).read_text()}# again\n")
    (project / "models/new.bin").write_text("")
    git(project, "add", "-A")
    assert sources(project) == before
    assert all(name.encode() in changes_of(project) for name in WRITTEN)  # which a clone needs


@pytest.mark.parametrize("name", ["train.py", "metrics.py", "../above.py"])
def test_a_changed_source_renames_it(project, name):
    (project / name).write_text("after\n")
    assert name.removeprefix("../").encode() in sources(project)


def test_neither_the_users_way_of_showing_changes_nor_more_objects_rename_it(project):
    (project / "train.py").write_text("after\n")
    before = sources(project)
    for key, value in {
        "diff.noprefix": "true",
        "color.ui": "always",
        "core.abbrev": "30",
        "diff.external": "false",
    }.items():
        git(project, "config", key, value)
    assert sources(project) == before


def test_without_a_lock_file_there_is_no_output_but_the_metrics(project):
    (project / "dvc.lock").unlink()
    (project / "platform.json").write_text("after\n")
    (project / "metrics/fp32.json").write_text("after\n")
    assert b"platform.json" in sources(project)
    assert b"fp32.json" not in sources(project)
