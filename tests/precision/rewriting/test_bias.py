"""Bias correction: the arithmetic, and what it does to a quantized graph."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from roundoff.calibration.base import TensorRange
from roundoff.calibration.observing.table import CalibrationTable, Provenance
from roundoff.graph.observed import observed_tensors
from roundoff.graph.queries import constants, model_hash, with_outputs
from roundoff.precision.base import Grid
from roundoff.precision.fp8 import Fp8
from roundoff.precision.int8 import Int8
from roundoff.precision.int8_fp16 import Int8Fp16
from roundoff.precision.rewriting.bias import bias_shift, rounding_sums
from tests.support.networks import pictures, residual_network, run, table_of


def with_means(model: onnx.ModelProto) -> CalibrationTable:
    """The table of the extremes, and the channels' means of what each Conv takes."""
    table, taken = table_of(model), sorted({node.input[0] for node in model.graph.node if node.op_type == "Conv"})
    found = dict(zip(taken, run(with_outputs(model, taken), pictures()), strict=True))
    means = {name: values.mean(axis=(0, 2, 3)).tolist() for name, values in found.items()}
    ranges = {name: replace(seen, channel_means=means.get(name)) for name, seen in table.ranges.items()}
    return CalibrationTable(ranges, table.provenance)


def one_conv(groups: int = 1, bias: bool = False, shared: bool = False) -> onnx.ModelProto:
    """Image uint8 [N, 8, 8, 4] → Conv without padding (twice, of one weight and bias, if `shared`) → a mean."""
    random = np.random.default_rng(3)
    weights = {"kernel": random.normal(size=(8, 4 // groups, 3, 3)).astype(np.float32), "axes": np.array([2, 3])}
    if bias:
        weights["bias"] = random.normal(size=8).astype(np.float32)
    inputs = ["planes", "kernel", *(["bias"] if bias else [])]
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["pixels"], ["planes"], "transpose", perm=[0, 3, 1, 2]),
        helper.make_node("Conv", inputs, ["conv"], "conv", group=groups),
        *([helper.make_node("Conv", ["planes", *inputs[1:]], ["twin"], "twin", group=groups)] if shared else []),
        helper.make_node("ReduceMean", ["conv", "axes"], ["features"], "mean", keepdims=0),
        helper.make_node("MatMul", ["features", "dense"], ["logits"], "dense"),
    ]
    weights["dense"] = np.eye(8, dtype=np.float32)
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 8, 8, 4])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 8])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def table_of_images(model: onnx.ModelProto, planes: np.ndarray) -> CalibrationTable:
    """A table in which everything fills the codes 0 to 255 exactly, with the means of the planes [N, 4, H, W]."""
    ranges = {name: TensorRange(0, 255, 0, 255, "minmax", 0) for name in observed_tensors(model)}
    ranges["planes"] = replace(ranges["planes"], channel_means=planes.mean(axis=(0, 2, 3)).tolist())
    return CalibrationTable(ranges, Provenance(model_sha256=model_hash(model)))


@pytest.mark.parametrize(("side", "corrected"), [(8, True), (3, True), (2, False), (1, False)])
def test_a_map_narrower_than_the_kernel_keeps_its_bias(side, corrected):
    model = one_conv(bias=True)
    model.graph.node[2].attribute.append(helper.make_attribute("pads", [1, 1, 1, 1]))
    for axis in (1, 2):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = side
    planes = np.full((2, 4, side, side), 100.0)
    made = Int8(last_layer=True).convert(model, Grid(), table_of_images(model, planes))
    assert (made.graph.node[[n.name for n in made.graph.node].index("conv")].input[2] == "conv/bias") is corrected


def conv_of(precision, model, table, grid, images):
    return run(with_outputs(precision.convert(model, grid, table), ["conv"]), images)[0]


@given(groups=st.sampled_from([1, 2, 4]), seed=st.integers(0, 99))
def test_the_shift_is_the_mean_output_of_the_rounding_errors(groups, seed):
    random = np.random.default_rng(seed)
    rounding = random.normal(size=(8, 4 // groups, 3, 3)).astype(np.float32)
    means = random.normal(size=4)
    shift = bias_shift(rounding_sums(rounding, np.zeros_like(rounding)), means.tolist(), groups)
    assert shift.dtype == np.float32
    for output in range(8):
        first = output // (8 // groups) * (4 // groups)
        expected = sum(rounding[output, i].sum() * means[first + i] for i in range(4 // groups))
        assert shift[output] == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("bias", [False, True])
def test_the_mean_output_of_a_conv_is_restored(groups, bias):
    model = one_conv(groups, bias)
    images = np.random.default_rng(5).integers(0, 256, (64, 8, 8, 4), dtype=np.uint8)
    exact, seen = run(with_outputs(model, ["conv", "planes"]), images)
    table = table_of_images(model, seen)
    # the whole codes 0 to 255 are on the grid, so that rounding the weights is all that happens
    grid = Grid(activation="uint8", symmetric=False)
    off = {
        corrected: np.abs(
            (conv_of(Int8(bias_correction=corrected), model, table, grid, images) - exact).mean((0, 2, 3))
        )
        for corrected in (True, False)
    }
    assert off[True].max() < off[False].max() / 20


def test_without_means_or_with_the_switch_off_biases_stay_as_they_are():
    model = residual_network()
    for precision, table in ((Int8(), table_of(model)), (Int8(bias_correction=False), with_means(model))):
        made = precision.convert(model, Grid(), table)
        assert not [name for name in constants(made) if name.endswith("/bias")]
        assert np.array_equal(constants(made)["bias1"], constants(model)["bias1"])


def test_a_conv_without_a_bias_gets_one_and_a_corrected_bias_replaces_the_old():
    model = residual_network()
    made = Int8().convert(model, Grid(), with_means(model))
    inputs = {node.name: list(node.input) for node in made.graph.node}
    assert inputs["conv1"][2] == "conv1/bias"
    assert inputs["conv2"][2] == "conv2/bias"
    assert "bias1" not in constants(made)
    onnx.checker.check_model(made, full_check=True)


def test_convs_that_share_a_bias_get_one_each():
    model = one_conv(bias=True, shared=True)
    model.graph.output.append(helper.make_tensor_value_info("twin", TensorProto.FLOAT, ["N", 8, 6, 6]))
    seen = run(with_outputs(model, ["planes"]), np.zeros((1, 8, 8, 4), np.uint8))[0]
    made = Int8().convert(model, Grid(), table_of_images(model, seen))
    assert {"conv/bias", "twin/bias"} <= constants(made).keys()


def test_a_bias_that_is_computed_stays_as_it_is():
    model = one_conv(bias=True)
    model.graph.node.insert(0, helper.make_node("Neg", ["bias"], ["negated"], "negate"))
    next(node for node in model.graph.node if node.name == "conv").input[2] = "negated"
    seen = run(with_outputs(model, ["planes"]), np.zeros((1, 8, 8, 4), np.uint8))[0]
    made = Int8().convert(model, Grid(), table_of_images(model, seen))
    assert next(node for node in made.graph.node if node.name == "conv").input[2] == "negated"


def test_what_else_reads_a_convs_input_keeps_its_bias():
    model = one_conv(bias=True)
    model.graph.node.insert(3, helper.make_node("ConvTranspose", ["planes", "kernel_t"], ["up"], "up"))
    model.graph.initializer.append(numpy_helper.from_array(np.ones((4, 2, 2, 2), np.float32), "kernel_t"))
    model.graph.output.append(helper.make_tensor_value_info("up", TensorProto.FLOAT, ["N", 2, 9, 9]))
    seen = run(with_outputs(model, ["planes"]), np.zeros((1, 8, 8, 4), np.uint8))[0]
    made = Int8(last_layer=True).convert(model, Grid(), table_of_images(model, seen))
    inputs = {node.name: list(node.input) for node in made.graph.node}
    assert inputs["up"] == ["planes/quantized", "kernel_t/quantized"]
    assert inputs["conv"][2] == "conv/bias"


def test_a_float16_remainder_has_the_corrected_biases():
    model = residual_network()
    table = with_means(model)
    whole, lowered = (constants(precision.convert(model, Grid(), table)) for precision in (Int8(), Int8Fp16()))
    found = next(values for name, values in lowered.items() if name.startswith("conv1/bias"))
    assert found.dtype == np.float16
    np.testing.assert_allclose(
        np.asarray(found, np.float64), np.asarray(whole["conv1/bias"], np.float64), rtol=1e-3, atol=1e-4
    )


def test_fp8_corrects_its_biases_too():
    model = residual_network()
    corrected, plain = (
        {node.name: node.input[2] for node in made.graph.node if node.op_type == "Conv" and len(node.input) > 2}
        for made in (Fp8(bias_correction=on).convert(model, Grid(), with_means(model)) for on in (True, False))
    )
    assert all(name.startswith("conv") and "/bias" in name for name in corrected.values())
    assert corrected.keys() == {"conv1", "conv2"}
    assert plain.keys() == {"conv1"}
    assert plain["conv1"].startswith("bias1")
