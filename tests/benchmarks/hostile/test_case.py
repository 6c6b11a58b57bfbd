"""What became of a hostile case is judged rightly."""

import numpy as np
import pytest

from benchmarks.hostile.case import Case, Lost, equal, same, tried
from roundoff.errors import DataError, Unavailable


def raising(error):
    def attempt(_):
        raise error

    return attempt


REFUSED = DataError("it is broken", received="nothing", expected="a file", fix="write one")


@pytest.mark.parametrize(
    ("attempt", "outcome"),
    [
        (lambda _: 5, "accepted"),
        (lambda _: 6, "wrong"),
        (raising(REFUSED), "refused"),
        (raising(DataError("it is broken", received="", expected="a file", fix="write one")), "traceback"),
        (raising(Unavailable("no such device here")), "refused"),
        (raising(SystemExit(f"error: {REFUSED}")), "refused"),
        (raising(SystemExit("killed")), "traceback"),
        (raising(ValueError("7")), "traceback"),
        (raising(RecursionError()), "traceback"),
        (raising(Lost("labels.npy")), "wrong"),
    ],
)
def test_outcome(attempt, outcome, tmp_path):
    assert tried(Case("file", "how", attempt, same(5)), tmp_path).outcome == outcome


def test_what_must_be_refused_is_wrong_whatever_comes_back(tmp_path):
    assert tried(Case("file", "how", lambda _: None), tmp_path).outcome == "wrong"


def test_words_say_where_a_traceback_ended(tmp_path):
    words = tried(Case("file", "how", raising(ValueError("7"))), tmp_path).words
    assert words.startswith("ValueError: 7 (test_case.py:")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"a": [np.array([1.0, np.nan])]}, {"a": [np.array([1.0, np.nan])]}, True),
        (np.array([1.0]), np.array([1]), False),
        ({"a": 1}, {"b": 1}, False),
        ((1, 2), (1, 2, 3), False),
        ("1", 1, False),
    ],
)
def test_equal_knows_arrays_and_nan(one, other, expected):
    assert equal(one, other) is expected
