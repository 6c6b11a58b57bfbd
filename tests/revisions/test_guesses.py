"""Answers read back: from the classes of the largest logits, and from all logits, as they were kept before."""

import numpy as np
import pytest

from roundoff.errors import DataError
from roundoff.measurement.accuracy import NOT_RUN, accuracy, top_classes
from roundoff.revisions.series import guesses_in

LABELS = np.array([0, 1, 2, 3, 0, 1], np.int64)
LOGITS = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


@pytest.mark.parametrize("most", [1, 3, 5])
def test_classes_say_what_the_logits_say(tmp_path, most):
    told = accuracy(LOGITS, LABELS, None)
    np.save(tmp_path / "logits.npy", LOGITS)
    np.save(tmp_path / "classes.npy", top_classes(LOGITS, most))
    of_logits, of_classes = (guesses_in(tmp_path / f"{name}.npy", LABELS, 4, told) for name in ("logits", "classes"))
    assert of_classes.dtype == np.int64
    np.testing.assert_array_equal(of_classes, of_logits)
    np.testing.assert_array_equal(of_classes, LOGITS.argmax(1))


def test_rows_without_an_answer_are_the_same_in_both(tmp_path):
    logits = LOGITS.copy()
    logits[1] = np.nan
    logits[2, 0] = np.inf
    np.save(tmp_path / "logits.npy", logits)
    np.save(tmp_path / "classes.npy", top_classes(logits, 3))
    found = [guesses_in(tmp_path / f"{name}.npy", LABELS, 4, None) for name in ("logits", "classes")]
    assert found[0].tolist() == found[1].tolist()
    assert top_classes(logits, 3)[1:3].tolist() == [[NOT_RUN] * 3, [-1] * 3]


@pytest.mark.parametrize(
    "wrong",
    [
        np.full((6, 3), 4, np.int32),
        np.full((6, 3), NOT_RUN - 1, np.int32),
        np.zeros((5, 3), np.int32),
        np.zeros((6, 0), np.int32),
        np.zeros(6, np.int32),
        np.zeros((6, 3), np.int64),
        np.zeros((6, 3), np.float32),
    ],
    ids=["no such class", "below", "too few", "none", "flat", "another type", "logits of other classes"],
)
def test_what_are_no_such_classes_is_refused(tmp_path, wrong):
    np.save(tmp_path / "classes.npy", wrong)
    with pytest.raises(DataError, match="run it again: `dvc repro -f evaluate`"):
        guesses_in(tmp_path / "classes.npy", LABELS, 4, None)


def test_other_answers_than_the_metrics_tell_are_refused(tmp_path):
    np.save(tmp_path / "classes.npy", LABELS[:, None].astype(np.int32))  # all right
    with pytest.raises(DataError, match="right answers"):
        guesses_in(tmp_path / "classes.npy", LABELS, 4, accuracy(LOGITS, LABELS, None))
