"""Answers, times, curves and noise are those of the run, or refused."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roundoff.errors import DataError
from roundoff.measurement.accuracy import accuracy
from roundoff.results.preparation import Noise
from roundoff.revisions.series import agreeing, curves_in, guesses_in, labels_in, noise_in, times_in
from tests.support.measured import compared

LABELS = np.array([0, 1, 2, 1])
LOGITS = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]


def test_answers_are_read_with_a_question_mark_for_what_is_not_finite(tmp_path):
    logits = LOGITS.copy()
    logits[3] = np.nan
    np.save(tmp_path / "a.npy", logits)
    assert guesses_in(tmp_path / "a.npy", LABELS, 3, accuracy(logits, LABELS, None)).tolist() == [0, 1, 2, -1]


@pytest.mark.parametrize(
    ("logits", "words"),
    [
        (LOGITS[:-1], r"logits \[3, 3\]"),
        (LOGITS[:, :2], r"logits \[4, 2\]"),
        (LOGITS[[1, 0, 2, 3]], "1 of 4 right answers"),
        (np.where(np.arange(4)[:, None] == 3, np.float32(np.nan), LOGITS), "1 not finite"),
        (LOGITS.astype(float), "float64"),
    ],
    ids=["rows", "classes", "others", "not finite", "type"],
)
def test_other_answers_than_the_run_had_are_refused(tmp_path, logits, words):
    np.save(tmp_path / "a.npy", logits)
    with pytest.raises(DataError, match=rf"(?s)a\.npy cannot be read.*{words}"):
        guesses_in(tmp_path / "a.npy", LABELS, 3, accuracy(LOGITS, LABELS, None))


@pytest.mark.parametrize("labels", [[0, 3], [-1, 0], []])
def test_labels_of_no_class_are_refused(tmp_path, labels):
    np.save(tmp_path / "labels.npy", np.array(labels, np.int64))
    with pytest.raises(DataError, match="classes 0 to 2"):
        labels_in(tmp_path / "labels.npy", 3)


TIMES: dict[str, Any] = {
    "device_ms": np.full(20, 0.5),
    "end_to_end_ms": np.full(20, 0.6),
    "round_ms": np.full(4, 0.5),
    "round_end_to_end_ms": np.full(4, 0.6),
    "round_load": np.arange(4),
    "round_stream_s": np.full(4, 0.01),
}


def save(path, series: dict[str, Any]):
    np.savez(path, **series)


def test_times_are_read_and_none_where_there_is_no_file(tmp_path):
    save(tmp_path / "a.npz", TIMES)
    assert times_in(tmp_path / "a.npz").keys() == TIMES.keys()
    assert times_in(tmp_path / "b.npz") == {}


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, 0.0])
@pytest.mark.parametrize("name", ["device_ms", "round_ms"])
def test_what_is_no_time_is_refused(tmp_path, name, value):
    save(tmp_path / "a.npz", TIMES | {name: np.array([1.0, value])})
    with pytest.raises(DataError, match=f"{name} with what is no time"):
        times_in(tmp_path / "a.npz")


@pytest.mark.parametrize("name", [name for name in TIMES if name != "device_ms"])
def test_a_series_that_is_missing_is_named(tmp_path, name):
    save(tmp_path / "a.npz", {key: value for key, value in TIMES.items() if key != name})
    with pytest.raises(DataError, match=f"no {name}"):
        times_in(tmp_path / "a.npz")


CURVES = "epoch,loss,val_loss\n1,2.5,nan\n2,2.25,3\n"
NOISE = "tensor,kind,sqnr_db,low,high,quantized,asymmetric_low\nrelu,activation,inf,-1,2,True,\n"


def test_tables_are_read(tmp_path):
    (tmp_path / "curves.csv").write_text(CURVES)
    (tmp_path / "noise.csv").write_text(NOISE)
    assert curves_in(tmp_path / "curves.csv")[0] == {"epoch": "1", "loss": "2.5", "val_loss": "nan"}
    assert noise_in(tmp_path / "noise.csv") == [Noise("relu", "activation", math.inf, -1.0, 2.0, True)]
    assert curves_in(None) == []
    assert noise_in(tmp_path / "none.csv") == []


@pytest.mark.parametrize(
    "text",
    [
        CURVES.replace("2.5", "text"),
        CURVES.replace("2.5,", ""),
        CURVES.replace("3", "3,4"),
        CURVES.replace("1,", ","),
        "",
        "\0" * 99,
    ],
    ids=["text", "a field less", "a field more", "no epoch", "empty", "zeros"],
)
def test_curves_that_are_no_numbers_are_refused(tmp_path, text):
    (tmp_path / "curves.csv").write_text(text)
    with pytest.raises(DataError, match=r"curves\.csv cannot be read"):
        curves_in(tmp_path / "curves.csv")


@pytest.mark.parametrize(
    "text",
    [
        NOISE.replace("inf", "nan"),
        NOISE.replace("-1,2", "2,-1"),
        NOISE.replace("-1,2", "-1,inf"),
        NOISE.replace("True", "yes"),
        NOISE.replace("activation", "evil"),
        NOISE.replace("relu", ""),
        NOISE.replace("True,", "True,x"),
        NOISE + '"',
    ],
)
def test_noise_that_is_none_is_refused(tmp_path, text):
    (tmp_path / "noise.csv").write_text(text)
    with pytest.raises(DataError, match=r"noise\.csv cannot be read"):
        noise_in(tmp_path / "noise.csv")


def test_other_bytes_are_refused(tmp_path):
    (tmp_path / "noise.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="CSV in UTF-8"):
        noise_in(tmp_path / "noise.csv")


def test_answers_that_agree_otherwise_than_the_metrics_tell_are_refused():
    own, reference, told = np.arange(10), np.arange(10) % 8, replace(compared(samples=10), agreement=0.8)
    assert agreeing(Path("p"), own, reference, told) is own
    assert agreeing(Path("p"), own, None, told) is own
    assert agreeing(Path("p"), own, own, replace(told, nonfinite=1)) is own
    with pytest.raises(DataError, match=r"10 of 10 answers(.|\n)*8 of them"):
        agreeing(Path("p"), own, own, told)
