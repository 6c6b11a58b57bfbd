import pytest

from roundoff.precision.base import Grid
from roundoff.precision.int8 import Int8
from roundoff.sensitivity.choosing import (
    WIDE_VALUE,
    Price,
    Unit,
    fillings,
    leaving,
    off_without,
    price_of,
    units_of,
)
from roundoff.sensitivity.sources import parts_of
from tests.support.networks import residual_network, table_of
from tests.support.product import product_network, product_table

WHOLE = Int8(last_layer=True)


def sources_of(model, table, grid=None):
    return parts_of(model, WHOLE.with_pairs(model, grid or Grid(), table)).sources


def product_sources():
    return sources_of(product_network(), product_table())


def test_a_node_that_is_left_wide_has_its_input_and_its_weight_off():
    off = off_without(WHOLE, product_network(), Grid(), product_sources(), ["layer2/MatMul"])
    assert {product_sources()[place].name for place in off} == {"hidden", "second"}


def test_a_name_that_cannot_be_left_wide_has_nothing_off():
    assert off_without(WHOLE, product_network(), Grid(), product_sources(), ["cast"]) == frozenset()


def test_units_are_nodes_and_tensors():
    found = units_of(WHOLE, product_network(), Grid(), product_sources())
    assert {unit.name for unit in found} == {"layer1/MatMul", "layer2/MatMul", "flat", "hidden"}


def test_a_tensor_that_another_node_still_reads_in_8_bits_is_on():
    """conv2 and skip read relu1; without conv2 there is nothing that skip could be fused with."""
    model = residual_network()
    sources = sources_of(model, table_of(model))
    place = next(place for place, source in enumerate(sources) if source.name == "relu1")
    off = {unit.name: unit.off for unit in units_of(WHOLE, model, Grid(), sources)}
    assert sources[place].readers == ("conv2", "skip")
    assert "skip" not in off
    assert place in off["conv2"]


def price(products, values=(), macs=None):
    values = values or [0.0] * len(products)
    return Price([frozenset(each) for each in products], values, macs or {}, 1.0)


def test_a_weight_costs_its_multiply_adds_and_an_activation_its_values():
    sources = product_sources()
    found = price_of(product_network(), Grid(), sources)
    costs = {source.name: found.of(frozenset({place})) for place, source in enumerate(sources)}
    assert costs == {"flat": 2 * WIDE_VALUE, "first": 4, "hidden": 2 * WIDE_VALUE, "second": 6}


def test_a_node_is_paid_once():
    found = price([["conv"], ["conv"], ["dense"]], macs={"conv": 100, "dense": 10})
    assert found.of(frozenset({0, 1})) == 100
    assert found.of(frozenset({0, 1, 2})) == 110


def test_on_a_cpu_a_conv_costs_where_what_it_gives_is_wide():
    model = residual_network()
    for grid, products in ((Grid("uint8", symmetric=False), {"conv1"}), (Grid(), set())):
        sources = sources_of(model, table_of(model), grid)
        place = next(place for place, source in enumerate(sources) if source.name == "relu1")
        assert price_of(model, grid, sources).products[place] == products


def by_union(units):
    return lambda names: frozenset().union(*(unit.off for unit in units if unit.name in names))


def test_the_best_ratio_of_gain_to_cost_comes_first():
    units = [Unit("dear", frozenset({0})), Unit("cheap", frozenset({1})), Unit("idle", frozenset({2}))]
    found = list(fillings(units, [9.0, 4.0, 0.0], price([[], [], []], [30.0, 2.0, 1.0]), by_union(units)))
    assert [one.names for one in found] == [(), ("cheap",), ("cheap", "dear")]
    assert [(one.cost, one.variance) for one in found] == [(0, 13.0), (2, 9.0), (32, 0)]


def test_what_is_off_already_is_not_gained_again():
    """Alone `both` has 6 for 4; behind `first` it has 1 for 3, less than `other`."""
    units = [Unit("both", frozenset({0, 1})), Unit("first", frozenset({0})), Unit("other", frozenset({2}))]
    found = list(fillings(units, [5.0, 1.0, 2.0], price([[], [], []], [1.0, 3.0, 4.0]), by_union(units)))
    assert [one.names[-1] for one in found[1:]] == ["first", "other", "both"]


def test_what_several_names_leave_wide_together_is_counted():
    units = [Unit("left", frozenset({0})), Unit("right", frozenset({1}))]
    found = list(
        fillings(units, [1.0] * 3, price([[], [], []]), lambda names: frozenset({2} if len(names) == 2 else ()))
    )
    assert found[-1].off == {0, 1, 2}
    assert found[-1].variance == 0


@pytest.mark.parametrize("names", [[], ["layer1/MatMul"]])
def test_leaving_adds_to_what_is_left_already(names):
    assert leaving(Int8(exclude_nodes=["a"]), names).exclude_nodes == ["a", *names]
