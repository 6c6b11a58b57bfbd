"""Integer grids: zero is exact, the round trip errs by at most half a step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from roundoff.graph.grid import CODES, along, fake_quantize, grid_for, weight_axis, weight_scales

finite = st.floats(-1e4, 1e4, width=32)
grids = st.tuples(st.sampled_from(["int8", "uint8"]), st.booleans())


@given(finite, finite, grids)
def test_zero_is_represented_exactly_and_its_code_exists(low, high, grid):
    dtype, symmetric = grid
    scale, zero = grid_for(min(low, high), max(low, high), dtype, symmetric)
    assert CODES[dtype][0] <= zero <= CODES[dtype][1]
    assert fake_quantize(np.zeros(1, np.float32), scale, zero, dtype)[0] == 0
    assert scale > 0


@given(finite, finite, grids, st.floats(0, 1))
def test_round_trip_inside_the_range_errs_by_at_most_half_a_step(low, high, grid, position):
    low, high = min(low, high), max(low, high)
    dtype, symmetric = grid
    scale, zero = grid_for(low, high, dtype, symmetric)
    value = np.array([low + position * (high - low)], np.float32)
    error = np.abs(fake_quantize(value, scale, zero, dtype) - value)[0]
    first, last = ((code - zero) * float(scale) for code in CODES[dtype])
    # An asymmetric grid moves by up to half a step so that zero lands on a code: that much of the range is beyond it.
    beyond = max(first - value[0], value[0] - last, 0.0)
    assert beyond <= scale * (0.0 if symmetric else 0.5) * (1 + 1e-4) + 1e-6 * max(abs(low), abs(high))
    assert error <= max(scale / 2, beyond) * (1 + 1e-4) + 1e-6 * max(abs(low), abs(high))


@given(st.floats(2**-20, 1e4, width=32))
def test_symmetric_grid_puts_the_peak_at_code_127(peak):
    scale, zero = grid_for(0.0, peak, "int8", symmetric=True)
    assert zero == 0
    assert round(peak / float(scale)) == 127
    assert grid_for(-peak, 0.0, "uint8", symmetric=True) == (scale, 128)


def test_asymmetric_grid_spends_all_codes_on_a_relus_range():
    scale, zero = grid_for(0.0, 6.0, "uint8", symmetric=False)
    assert zero == 0
    assert float(scale) == pytest.approx(6 / 255)
    assert grid_for(2.0, 6.0, "int8", symmetric=False)[1] == -128


@given(hnp.arrays(np.float32, (5, 3, 2, 2), elements=finite), st.sampled_from([0, 1, None]))
def test_weight_channels_each_use_their_own_peak(weight, axis):
    scales = along(weight_scales(weight, axis), weight.ndim, axis)
    assert (np.abs(weight - fake_quantize(weight, scales)) <= scales * (0.5 + 1e-4)).all()


def test_a_channel_of_zeros_has_scale_one():
    weight = np.zeros((2, 3), np.float32)
    weight[1] = 127
    assert weight_scales(weight, 0).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("op_type", "rank", "transposed", "groups", "axis"),
    [
        ("Conv", 4, False, 1, 0),
        ("Conv", 4, False, 32, 0),
        ("ConvTranspose", 4, False, 1, 1),
        ("ConvTranspose", 4, False, 2, None),
        ("Gemm", 2, False, 1, 1),
        ("Gemm", 2, True, 1, 0),
        ("MatMul", 2, False, 1, 1),
        ("MatMul", 3, False, 1, None),
    ],
)
def test_output_channel_axis(op_type, rank, transposed, groups, axis):
    assert weight_axis(op_type, rank, transposed, groups) == axis


def test_the_smallest_channel_has_the_smallest_scale():
    weight = np.array([[1e-45, 0.0], [1.0, -2.0]], np.float32)
    assert weight_scales(weight, 0).tolist() == [np.float32(2.0**-149), np.float32(2 / 127)]
    assert weight_scales(weight, 0, stored_as=np.float16)[0] == np.float32(2.0**-24)
