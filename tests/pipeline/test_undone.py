"""What an experiment undoes of the last run is told."""

import shutil

import pytest
import yaml

from roundoff.pipeline.params import write_params
from roundoff.pipeline.undone import undone, warn_of_undone
from tests.support.places import ROOT


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose last run had ResNet-20 and 60 epochs."""
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    write_params(tmp_path / "params.yaml", ["model=resnet20", "train.epochs=60"])
    params = yaml.safe_load((tmp_path / "params.yaml").read_text())
    recorded = {name: params[name] for name in ("model", "train", "calibrate")} | {
        "precisions.int8": params["precisions"]["int8"]
    }
    lock = {"schema": "2.0", "stages": {"train": {"params": {"params.yaml": recorded}}, "probe": {}}}
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump(lock))
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "0123abc")
    return tmp_path


def test_settings_that_went_back_to_conf_are_told_with_both_values(project, capsys):
    write_params(project / "params.yaml", ["calibrate.images=64"])
    assert undone(project) == {"model.blocks": (3, 1), "train.epochs": (60, 6)}
    warn_of_undone(project)
    said = capsys.readouterr().out
    assert said.startswith("warning: each `dvc exp run -S` starts from conf/")
    assert "model.blocks=1 (was 3), train.epochs=6 (was 60)" in said


def test_what_was_named_again_or_set_anew_is_not(project, capsys):
    write_params(project / "params.yaml", ["model=resnet20", "train.epochs=30", "precisions.int8.last_layer=true"])
    warn_of_undone(project)
    assert (undone(project), capsys.readouterr().out) == ({}, "")


def test_outside_of_an_experiment_nothing_is_said(project, monkeypatch, capsys):
    write_params(project / "params.yaml", [])
    monkeypatch.delenv("DVC_EXP_BASELINE_REV")
    warn_of_undone(project)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "lock", [None, "", "stages: [", "- a\n", "stages: 5", "stages: {a: }", "stages: {a: {params: [1]}}", "[" * 3000]
)
def test_without_a_last_run_nothing_is_undone(project, lock):
    (project / "dvc.lock").unlink()
    if lock is not None:
        (project / "dvc.lock").write_text(lock)
    assert undone(project) == {}
