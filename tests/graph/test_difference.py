"""The relative error of answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from roundoff.graph import difference
from roundoff.graph.difference import relative_error

ROWS = arrays(np.float32, (5, 4), elements=st.floats(-100, 100, width=32))


@given(ROWS)
def test_equal_logits_differ_by_nothing(logits):
    assert relative_error(logits, logits) == 0


@given(ROWS.filter(lambda rows: np.abs(rows).max() > 1e-3), st.floats(0.001, 1))
def test_a_scaled_copy_has_its_scale_as_its_error(logits, scale):
    scaled = logits.astype(np.float64) * (1 + scale)
    assert relative_error(scaled, logits) == pytest.approx(scale, rel=1e-6)


def test_logits_that_are_not_numbers_have_no_small_error():
    assert not relative_error(np.full((1, 2), np.nan, np.float32), np.ones((1, 2), np.float32)) <= 1e-4
    assert relative_error(np.ones((1, 2), np.float32), np.zeros((1, 2), np.float32)) == float("inf")


def test_an_error_by_blocks_is_that_of_the_whole(monkeypatch):
    random = np.random.default_rng(0)
    expected = random.normal(size=(100, 7)).astype(np.float32)
    received = (expected + 1e-3 * random.normal(size=expected.shape)).astype(np.float32)
    whole = relative_error(received, expected)
    monkeypatch.setattr(difference, "VALUES", 50)
    assert relative_error(received, expected) == pytest.approx(whole, rel=1e-12)
    assert relative_error(0 * received, 0 * expected) == 0
    assert relative_error(received, 0 * expected) == float("inf")
    assert np.isnan(relative_error(np.where(received > 2, np.nan, received), expected)) == bool((received > 2).any())
