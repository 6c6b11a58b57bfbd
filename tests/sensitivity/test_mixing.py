import numpy as np
import onnx
import pytest

from roundoff.precision.base import Grid
from roundoff.precision.fp8 import Fp8
from roundoff.precision.int8 import Int8
from roundoff.precision.int8_fp16 import Int8Fp16
from roundoff.results.mixed import read_mixed, write_mixed
from roundoff.sensitivity.answers import Differences, Reference
from roundoff.sensitivity.choosing import leaving
from roundoff.sensitivity.mixing import Given, mixed_of
from roundoff.sensitivity.verifying import Search, least_agreement
from roundoff.verdict.requirements import Target
from tests.support.present import present
from tests.support.product import product_images, product_network, product_table

IMAGES = product_images(600)
COARSE = product_table(flat=2540.0, hidden=1016.0)
"""Steps of 20 for the pixels, which cost many answers, and of 8 behind them."""


def choice(least, table=COARSE):
    given = Given("int8_mixed", Int8(last_layer=True), product_network(), Grid(), table)
    return mixed_of(given, IMAGES[:200], IMAGES[200:], least, 0)


def test_where_int8_passes_nothing_is_left_wide():
    found = choice(0.5)
    assert (found.passes, found.chosen, found.nodes) == (True, 0, [])


def test_the_least_that_passes_is_left_wide():
    found = choice(0.96)
    assert found.passes
    assert found.nodes == ["layer1/MatMul"]
    assert found.steps[0].verified.agreement_low < 0.96 <= found.step.verified.agreement_low


def test_what_was_expected_is_what_was_verified():
    step = choice(0.96).step
    assert step.expected_error == pytest.approx(step.verified.error, rel=0.15)


def test_where_nothing_passes_the_best_is_chosen_and_it_says_so():
    found = choice(1.0)
    assert not found.passes
    nearer = [place for place, step in enumerate(found.steps) if step.beyond_noise]
    assert found.chosen == nearer[-1]


def test_images_of_the_choice_are_not_those_of_the_verification():
    found = choice(0.96)
    assert (found.images, found.verified_images) == (200, 400)
    assert found.images_sha256 != found.verified_images_sha256


def test_a_choice_that_is_written_is_read(tmp_path):
    found = choice(0.96)
    write_mixed(found, tmp_path / "int8.json")
    assert read_mixed(tmp_path / "int8.json") == found


def test_the_graph_is_left_float_where_the_choice_says_so():
    names = choice(0.96).nodes
    made = leaving(Int8(last_layer=True), names).convert(product_network(), Grid(), COARSE)
    quantized = {node.input[0] for node in made.graph.node if node.op_type == "QuantizeLinear"}
    assert quantized == {"hidden"}


@pytest.mark.parametrize("grid", [Grid(), Grid("uint8", symmetric=False)], ids=["TensorRT", "CPU"])
@pytest.mark.parametrize("kind", [Int8Fp16, Fp8])
def test_a_float16_remainder_and_8_bit_floats_are_mixed_as_well(kind, grid):
    given = Given("x_mixed", kind(last_layer=True), product_network(), grid, COARSE)
    found = mixed_of(given, IMAGES[:200], IMAGES[200:], 0.999, 0)
    before, chosen = present(found.steps[0].verified), present(found.step.verified)
    assert 0 < chosen.error <= before.error
    assert found.step.expected_error == pytest.approx(chosen.error, rel=0.3)
    assert len(found.steps) > 1  # a part can be left wide


def test_something_is_left_that_multiplies_in_8_bits():
    for step in range(1, len(choice(0.96).steps)):
        names = [each.added for each in choice(0.96).steps[1 : step + 1]]
        made = leaving(Int8(last_layer=True), names).convert(product_network(), Grid(), COARSE)
        assert {node.op_type for node in made.graph.node} >= {"QuantizeLinear", "DequantizeLinear", "MatMul"}
        assert any(tensor.data_type == onnx.TensorProto.INT8 and tensor.dims for tensor in made.graph.initializer)


def test_logits_that_are_not_finite_are_no_answers():
    broken = product_network()
    nodes = [onnx.helper.make_node("Mul", ["logits", "huge"], ["spoilt"], "spoil")]
    broken.graph.node.extend(nodes)
    broken.graph.initializer.append(onnx.numpy_helper.from_array(np.array(np.inf, np.float32), "huge"))
    broken.graph.output[0].name = "spoilt"
    found = Reference(product_network(), IMAGES[:64]).differences(broken)
    assert not found.same.any()
    assert found.errors[0] == pytest.approx(100)


class Scripted(Reference):
    """Steps with set shares of wrong answers among 1,000."""

    def differences(self, *others):
        wrong = int(others[0].producer_version)
        same = np.arange(1000) >= wrong
        squares = np.random.default_rng(wrong).chisquare(3, 1000) * (1 + wrong)
        return Differences(squares[:, None], np.ones(1000), same[:, None])


def scripted(*wrong, least):
    def make(step):
        return onnx.ModelProto(producer_version=str(wrong[step]))

    return Search(Scripted(onnx.ModelProto(), IMAGES[:1000], True), make, len(wrong) - 1, least, 0)


def test_bisection_finds_the_narrowest_step_that_passes():
    search = scripted(80, 60, 40, 30, 10, 5, 0, least=0.96)
    assert search.chosen() == (4, True)
    assert len(search.found) < 7


def test_where_nothing_passes_what_is_wider_and_no_nearer_beyond_noise_is_not_chosen():
    assert scripted(80, 80, 79, 79, 79, least=0.99).chosen() == (0, False)
    assert scripted(80, 80, 40, 39, 39, least=0.99).chosen() == (2, False)


def test_a_step_within_the_noise_of_the_one_before_is_told():
    search = scripted(80, 79, 2, least=0.5)
    for step in range(3):
        search.run(step)
    assert search.beyond_noise() == {0: True, 1: False, 2: True}


@pytest.mark.parametrize(
    ("target", "least"),
    [
        (Target(), 0.99),
        (Target(min_agreement=0.995), 0.995),
        (Target(min_relative_accuracy=None, max_drop_points=0.5), 0.995),
    ],
)
def test_the_agreement_that_is_asked_for_holds_the_verdicts_target(target, least):
    assert least_agreement(target) == pytest.approx(least)
