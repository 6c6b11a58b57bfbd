"""How often and where tensors are counted, and in which order."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from roundoff.calibration.observing.noise import LOSSLESS_DB, sqnr_db
from roundoff.calibration.observing.observe import SAMPLES, chunks, stride_for


def test_chunks_have_one_size_and_keep_the_order():
    images = np.arange(50).reshape(50, 1, 1, 1).astype(np.uint8)
    parts = list(chunks([images[:7], images[7:8], images[8:45], images[45:]], 16))
    assert [len(part) for part in parts] == [16, 16, 16, 2]
    assert np.array_equal(np.concatenate(parts), images)


def test_sqnr_in_decibels():
    assert sqnr_db(100, 1) == pytest.approx(20)
    assert sqnr_db(1, 0) == LOSSLESS_DB
    assert sqnr_db(0, 1) == -LOSSLESS_DB


@settings(max_examples=200, deadline=None)
@given(st.tuples(st.integers(1, 4096), st.integers(1, 64), st.integers(1, 64)))
@example((2048, 7, 7))
@example((1024, 64, 64))
@example((320, 14, 14))
def test_strides_reach_every_channel_row_and_column_and_leave_enough_samples(shape):
    values, stride = math.prod(shape), stride_for(shape)
    assert values / stride >= min(values, SAMPLES)
    assert math.gcd(stride, values) == 1
    for size, reached in zip(shape, np.unravel_index(np.arange(0, values, stride), shape), strict=True):
        assert len(np.unique(reached)) == size


def test_the_next_image_is_counted_at_other_positions():
    shape = (2048, 7, 7)
    places = np.arange(0, 2 * math.prod(shape), stride_for(shape))
    first, second = (set(places[places // math.prod(shape) == image] % math.prod(shape)) for image in (0, 1))
    assert not first & second


def test_a_tensor_with_one_value_an_image_has_a_stride():
    assert stride_for(()) == stride_for((1,)) == 1
