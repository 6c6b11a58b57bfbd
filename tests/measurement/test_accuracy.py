"""Accuracy, errors, labels, and the gate against chance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from roundoff.errors import GateError
from roundoff.measurement import logits_file
from roundoff.measurement.accuracy import (
    accuracy,
    chance_level,
    predictions,
    refuse_chance_level,
    top_classes,
)
from tests.support.present import present

LABELS = np.array([0, 1, 2, 0, 1, 2], dtype=np.int64)


def logits_for(classes):
    return np.eye(3, dtype=np.float32)[classes]


def test_flips_are_counted_both_ways():
    reference, candidate = logits_for([0, 1, 2, 0, 0, 0]), logits_for([0, 1, 1, 1, 1, 0])
    found = accuracy(candidate, LABELS, reference)
    assert (found.regressed, found.corrected) == (2, 1)
    assert found.drop == pytest.approx(4 / 6 - 3 / 6)
    assert found.relative_accuracy == pytest.approx(3 / 4)
    assert found.agreement == pytest.approx(3 / 6)
    assert present(found.drop_low) < 0 < present(found.drop_high)


def test_without_a_reference_nothing_is_compared():
    found = accuracy(logits_for(LABELS), LABELS, None)
    assert found.top1 == 1
    assert found.drop is found.agreement is found.relative_accuracy is None


def test_logits_that_are_not_finite_are_wrong_and_disagree():
    broken = logits_for(LABELS)
    broken[0, 0], broken[1, 2] = np.nan, np.inf
    found = accuracy(broken, LABELS, broken)
    assert (found.nonfinite, found.correct) == (2, 4)
    assert found.agreement == pytest.approx(4 / 6)
    assert list(predictions(broken)) == [-1, -1, 2, 0, 1, 2]


def test_chance_is_the_largest_class_where_classes_are_uneven():
    assert chance_level(np.array([0, 1, 2, 3]), 10) == 0.25
    assert chance_level(np.repeat(np.arange(10), 5), 10) == 0.1


def test_the_report_that_called_chance_no_degradation_is_refused():
    labels = np.repeat(np.arange(10), 10)
    constant = np.tile(np.eye(10, dtype=np.float32)[3], (100, 1))
    with pytest.raises(GateError, match=r"no better than chance(.|\n)*10 of 100 right, top-1 0.1000"):
        refuse_chance_level("fp32/x", accuracy(constant, labels, constant), 0.1, 0.05)


def test_a_trained_model_passes_the_gate():
    refuse_chance_level("fp32/x", accuracy(logits_for(np.tile(LABELS, 20)), np.tile(LABELS, 20), None), 1 / 3, 0.05)


@given(
    arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 3).map(float)),
    st.integers(1, 6),
)
def test_top_classes_are_the_largest_and_begin_with_the_prediction(logits, most):
    logits[:1, :1] = np.nan
    found, chosen = top_classes(logits, most), predictions(logits)
    assert found.shape == (len(logits), min(most, logits.shape[1]))
    np.testing.assert_array_equal(found[:, 0], chosen)
    for row, classes in zip(logits[chosen >= 0], found[chosen >= 0], strict=True):
        assert len(set(classes.tolist())) == len(classes)
        np.testing.assert_array_equal(row[classes], np.sort(row)[::-1][: len(classes)])


def test_predictions_by_blocks_are_those_of_the_whole(monkeypatch):
    logits = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)
    monkeypatch.setattr(logits_file, "CHUNK_BYTES", 3 * 8 * 7)
    np.testing.assert_array_equal(predictions(logits), logits.argmax(1))
