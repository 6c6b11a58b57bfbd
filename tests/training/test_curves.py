"""The curves of training: one table, and the same as DVCLive writes it."""

import csv
import json

import pytest

from roundoff.errors import ConfigError
from roundoff.training.curves import COLUMNS, CurveFiles, curve_row

LOGS = {"loss": 2.0, "accuracy": 0.25, "val_loss": 1.5, "val_accuracy": 0.5}
ROWS = [curve_row(1, LOGS, 0.1), curve_row(2, LOGS | {"loss": 1.0, "val_accuracy": 0.75}, 0.05)]
FILES = ["learning_rate", "train/accuracy", "train/loss", "val/accuracy", "val/loss"]


def files_in(tmp_path):
    return CurveFiles(tmp_path / "curves.csv", tmp_path / "live")


def written(tmp_path):
    folder = tmp_path / "live/plots/metrics"
    return {str(path.relative_to(folder).with_suffix("")): path.read_text() for path in folder.rglob("*.tsv")}


def test_each_epoch_is_a_row_of_the_table_and_a_step_of_each_live_file(tmp_path):
    files_in(tmp_path).write(ROWS[:1])
    files_in(tmp_path).write(ROWS)
    assert [float(row["loss"]) for row in csv.DictReader((tmp_path / "curves.csv").open())] == [2.0, 1.0]
    live = written(tmp_path)
    assert sorted(live) == FILES
    assert live["train/loss"] == "step\tloss\n1\t2.0\n2\t1.0\n"
    assert live["val/accuracy"] == "step\taccuracy\n1\t0.5\n2\t0.75\n"
    assert json.loads((tmp_path / "live/metrics.json").read_text()) == {
        "step": 2,
        "learning_rate": 0.05,
        "train": {"loss": 1.0, "accuracy": 0.25},
        "val": {"loss": 1.5, "accuracy": 0.75},
    }


def test_a_model_that_is_not_trained_leaves_heads_alone(tmp_path):
    files_in(tmp_path).write([])
    assert (tmp_path / "curves.csv").read_text() == ",".join(COLUMNS) + "\n"
    assert {text.count("\n") for text in written(tmp_path).values()} == {1}
    assert json.loads((tmp_path / "live/metrics.json").read_text()) == {}


def test_a_folder_of_other_files_is_left_alone(tmp_path):
    (tmp_path / "live").mkdir()
    (tmp_path / "live/diary.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"diary\.txt"):
        files_in(tmp_path).write(ROWS)
    assert [path.name for path in (tmp_path / "live").iterdir()] == ["diary.txt"]
