"""Weights rounded on purpose."""

import math

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser

from roundoff.graph.rounding import explained, round_weights, to_neighbours, to_tf32


def test_a_neighbour_is_the_next_float32():
    values = np.array([1, -3e-5, 0, 7e30, np.inf], np.float32)
    moved = to_neighbours()(values)
    np.testing.assert_array_equal(np.abs(moved.view(np.int32) - values.view(np.int32)), [1, 1, 0, 1, 0])


def test_a_neighbour_of_few_bits_is_a_unit_of_the_last_away():
    values = np.array([1, -1.5, 1.75, 0, 1e-45, 3.4e38, -np.inf], np.float32)
    moved = [to_neighbours(10)(np.full(50, value)) for value in values]
    unit = np.float32(2**-10)
    assert set(moved[0]) == {1 + unit, 1 - unit / 2}
    assert set(moved[1]) == {-1.5 - unit, -1.5 + unit}
    assert set(moved[2]) == {1.75 - unit, 1.75 + unit}
    assert set(moved[3]) == {0}
    assert np.isfinite(moved[4]).all()
    assert (moved[4] > 0).all()  # it does not change its sign
    assert np.isfinite(moved[5]).all()
    assert set(moved[6]) == {-np.inf}


def test_tf32_keeps_ten_bits_of_mantissa():
    values = np.array([1, 1 + 2**-10, 1 + 2**-11, 1 + 3 * 2**-11, -(1 + 2**-12), 3e38, np.inf], np.float32)
    expected = np.array([1, 1 + 2**-10, 1, 1 + 2 * 2**-10, -1, 3e38, np.inf], np.float32)
    np.testing.assert_allclose(to_tf32(values), expected, rtol=2**-11)
    np.testing.assert_array_equal(to_tf32(values)[:5], expected[:5])
    some = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    assert 0 < np.abs(to_tf32(some) / some - 1).max() <= 2**-11
    assert not (to_tf32(some).view(np.uint32) & 0x1FFF).any()


def test_no_other_shape_comes_back():
    assert to_neighbours()(np.array(1.0, np.float32)).shape == ()
    assert to_neighbours(10)(np.ones((2, 1, 3), np.float32)).shape == (2, 1, 3)


def test_what_is_no_weight_stays():
    """An exponent of 1.9999 makes NaN of what is negative, factors of 1.9999 make a smaller picture."""
    graph = parser.parse_model("""
        <ir_version: 10, opset_import: ["" : 19]>
        g (float[2,1,3,3] x) => (float[n,1,h,w] y)
        <float square = {2.0}, float[4] factors = {1.0, 1.0, 2.0, 2.0}, float[1,1,1,1] kernel = {0.5}> {
            a = Conv(x, kernel)
            b = Pow(a, square)
            y = Resize<mode="nearest">(b, , factors)
        }
    """)
    before = {each.name: numpy_helper.to_array(each) for each in graph.graph.initializer}
    round_weights(graph, to_neighbours(10))
    onnx.checker.check_model(graph)
    after = {each.name: numpy_helper.to_array(each) for each in graph.graph.initializer}
    assert {name for name in before if not np.array_equal(before[name], after[name])} == {"kernel"}


@pytest.mark.parametrize(("cost", "expected"), [(1e-3, 4e-3), (1.0, 0.1), (math.nan, 0.0), (math.inf, 0.0)])
def test_a_cost_explains_four_times_itself_up_to_the_most(cost, expected):
    assert explained(cost, 0.1) == pytest.approx(expected)
