import numpy as np
import pytest

from roundoff.precision.base import Grid
from roundoff.precision.int8 import Int8
from roundoff.results.sensitivity import Whole
from roundoff.sensitivity.measure import layer_of, sensitivity_of
from tests.support.product import FIRST, SECOND, on_steps, product_images, product_network, product_table

WHOLE = Int8(last_layer=True)


def measured(left_wide=0, table=None):
    return sensitivity_of(WHOLE, product_network(), Grid(), table or product_table(), product_images(), left_wide, 0)


def by_hand(flat=2.0, hidden=8.0):
    """Logits with the pixels on steps, and with the hidden values on steps, beside the exact ones."""
    pixels = product_images().reshape(-1, 2).astype(np.float64)
    exact = pixels @ FIRST @ SECOND
    return exact, on_steps(pixels, flat) @ FIRST @ SECOND, on_steps(pixels @ FIRST, hidden) @ SECOND


def relative(found, exact):
    return np.linalg.norm(found - exact) / np.linalg.norm(exact)


def test_the_error_of_a_source_is_what_arithmetic_says():
    exact, flat, hidden = by_hand()
    effects = {effect.source: effect for effect in measured().effects}
    assert effects["flat"].error == pytest.approx(relative(flat, exact), rel=1e-5)
    assert effects["hidden"].error == pytest.approx(relative(hidden, exact), rel=1e-5)


def test_the_agreement_of_a_source_is_what_arithmetic_says():
    exact, flat, _ = by_hand(flat=40.0)
    effects = {effect.source: effect for effect in measured(table=product_table(flat=127 * 40.0)).effects}
    expected = (flat.argmax(1) == exact.argmax(1)).mean()
    assert expected < 1
    assert effects["flat"].agreement == pytest.approx(expected)
    assert effects["flat"].agreement_low < expected < effects["flat"].agreement_high


def test_the_whole_without_a_source_is_what_arithmetic_says():
    pixels = product_images().reshape(-1, 2).astype(np.float64)
    first, second = (on_steps(weight, np.abs(weight).max(axis=0) / 127) for weight in (FIRST, SECOND))
    expected = relative(on_steps(pixels, 2.0) @ first @ second, pixels @ FIRST @ SECOND)
    hidden = next(effect for effect in measured(left_wide=4).effects if effect.source == "hidden")
    assert hidden.without_error == pytest.approx(expected, rel=1e-4)


def test_only_the_worst_are_left_out_of_the_whole():
    effects = measured(left_wide=2).effects
    assert [effect.without_error is not None for effect in effects] == [True, True, False, False]


def test_effects_come_largest_first_and_shares_sum_to_one():
    effects = measured().effects
    assert [effect.rank for effect in effects] == [1, 2, 3, 4]
    assert [effect.error for effect in effects] == sorted((effect.error for effect in effects), reverse=True)
    assert sum(effect.variance_share for effect in effects) == pytest.approx(1)
    assert effects[0].is_worst


def test_the_root_of_the_sum_of_squares_is_near_the_whole():
    whole = measured().whole
    assert whole.root_sum_squares == pytest.approx(whole.error, rel=0.1)
    assert whole.adds


@pytest.mark.parametrize(("error", "root", "adds"), [(0.05, 0.054, True), (0.05, 0.056, False), (0.2, 0.2, False)])
def test_effects_add_only_where_the_whole_says_so(error, root, adds):
    assert Whole(error=error, root_sum_squares=root).adds is adds


def test_a_second_measurement_is_the_same():
    assert measured(left_wide=4) == measured(left_wide=4)


@pytest.mark.parametrize(("node", "layer"), [("stage1_conv/Conv", "stage1_conv"), ("Conv_7", "Conv_7")])
def test_a_node_is_told_by_the_users_layer(node, layer):
    assert layer_of(node) == layer
