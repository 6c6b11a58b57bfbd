"""What a 16-bit graph rounds, node by node, and what a name that is left in float32 makes exact."""

import numpy as np
import pytest
from onnx import helper, numpy_helper

from roundoff.precision.base import Grid
from roundoff.precision.fp16 import Fp16
from roundoff.precision.rewriting.float_types import FLOAT16
from roundoff.sensitivity.answers import Reference
from roundoff.sensitivity.half_recipe import half_recipe
from roundoff.sensitivity.halves import halves_of
from roundoff.sensitivity.mixing import Given, mixed_of
from tests.precision.rewriting.test_in_range import squaring_network
from tests.support.networks import pictures, relative_error, residual_network, run
from tests.support.present import present

IMAGES = pictures(300)


def recipe(model=None, keep=()):
    return half_recipe(Fp16(keep_float32=keep), model or residual_network())


def read_by_node(halves, wide):
    nodes = halves.model.graph.node
    return {(nodes[place].name, name) for (place, _), name in halves.reads(wide).items() if nodes[place].name}


def test_a_node_in_float32_reads_exactly_what_other_float32_nodes_give_and_rounded_what_16_bit_nodes_give():
    halves = halves_of(residual_network(), FLOAT16, [])
    read = read_by_node(halves, halves.wide(["kernel2"]))
    assert ("conv2", "relu1/rounded") in read  # relu1 is given in 16 bits
    assert ("conv2", "kernel2/rounded") not in read
    assert ("skip", "conv2/rounded") in read  # skip takes it in 16 bits
    both = read_by_node(halves, halves.wide(["kernel2", "skip"]))
    assert ("skip", "conv2/rounded") not in both


def test_scaling_of_pixels_is_not_rounded():
    halves = halves_of(residual_network(), FLOAT16, [])
    assert {name for _, name in read_by_node(halves, frozenset())}.isdisjoint({"centred/rounded", "pixels/rounded"})


def test_what_keeps_values_is_one_source_with_what_it_takes():
    sources = {source.name: source for source in recipe().parts.sources}
    assert "relu1" not in sources
    assert ("conv1", ("relu1",)) in [(unit.name, unit.others) for unit in recipe().units]
    assert sources["conv1"].readers == ("relu1", "conv2", "skip")


def test_constants_of_a_node_are_one_source():
    places = {source.name: len(source.reads) for source in recipe().parts.sources if source.kind == "weight"}
    assert places["kernel1"] == 2  # with its bias
    assert "bias1" not in places


def test_all_sources_together_round_what_the_converted_graph_rounds():
    """ONNX Runtime's own FP16 on this CPU rounds a part of it: both are near each other, and not the same."""
    model = residual_network()
    exact = run(model, IMAGES)[0]
    ours = relative_error(run(recipe(model).make([]), IMAGES)[0], exact)
    theirs = relative_error(run(Fp16().convert(model, Grid(), None), IMAGES)[0], exact)
    assert 1e-5 < ours < 2e-3
    assert theirs == pytest.approx(ours, rel=0.7)


def test_the_graph_with_every_name_in_float32_is_exact():
    model, made = residual_network(), recipe()
    every = [name for unit in made.units for name in (unit.name, *unit.others)]
    assert np.array_equal(run(made.make(every), IMAGES)[0], run(model, IMAGES)[0])


def test_names_that_the_configuration_keeps_are_no_sources():
    assert "conv2" not in {unit.name for unit in recipe(keep=("conv2",)).units}


def test_a_product_is_left_in_16_bits_until_all_are_wide():
    made = recipe()
    assert made.narrow(frozenset())
    assert not made.narrow(made.off_with(["conv1", "conv2", "dense"]))


@pytest.fixture(scope="module")
def squared():
    given = Given("fp16_mixed", Fp16(), squaring_network(), Grid(), None)
    return mixed_of(given, IMAGES[:100], IMAGES[100:], 0.999, 0)


def test_squares_that_overflow_are_left_in_float32_first(squared):
    assert {step.added for step in squared.steps[1:3]} == {"squares", "power"}
    assert squared.grid == "float16"
    assert squared.cost_unit.startswith("multiply-adds that are not in 16 bits")


def test_what_was_chosen_computes_no_worse_than_was_verified(squared):
    """As it is built: the names are back in keep_float32, and nothing overflows."""
    model = squaring_network()
    names = [name for step in squared.steps[1:3] for name in [step.added]]
    converted = Fp16(keep_float32=tuple(names)).convert(model, Grid(), None)
    found = Reference(model, IMAGES[100:], kernels=False).differences(converted)
    assert found.errors[0] < 3e-3
    assert squared.steps[2].expected_error == pytest.approx(found.errors[0], rel=0.7)


def large_network():
    """The residual network, whose Convs give up to 160,000 before a Mul makes them small again."""
    model = residual_network(scale=3e4)
    mean = next(place for place, node in enumerate(model.graph.node) if node.name == "mean")
    model.graph.node[mean].input[0] = "small"
    model.graph.node.insert(mean, helper.make_node("Mul", ["relu2", "tiny"], ["small"], "shrink"))
    model.graph.initializer.append(numpy_helper.from_array(np.array(1e-4, np.float32), "tiny"))
    return model


def test_answers_that_overflow_are_lost_and_bought_back():
    given = Given("fp16_mixed", Fp16(), large_network(), Grid(), None)
    found = mixed_of(given, IMAGES[:100], IMAGES[100:], 0.98, 0)
    assert present(found.steps[0].verified).agreement == 0
    assert found.passes
    assert {"conv1", "sum"} <= set(found.nodes)
    assert "features" not in found.nodes


def test_where_everything_overflows_nothing_passes():
    given = Given("fp16_mixed", Fp16(), residual_network(scale=1e5), Grid(), None)
    assert not mixed_of(given, IMAGES[:100], IMAGES[100:], 0.98, 0).passes
