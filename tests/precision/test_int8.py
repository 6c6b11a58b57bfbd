"""INT8 as a precision: grids, switches, refusals, and how close it stays to FP32."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import TensorProto, numpy_helper

from roundoff.calibration.base import TensorRange
from roundoff.errors import BuildError, CalibrationError
from roundoff.graph.queries import model_hash
from roundoff.precision.base import Grid
from roundoff.precision.int8 import Int8, IntegerCodec
from tests.support.networks import pictures, relative_error, residual_network, run, table_of

GRIDS = [Grid(), Grid("uint8", symmetric=False), Grid("uint8"), Grid("int8", symmetric=False)]


def converted(precision: Int8 | None = None, grid: Grid | None = None) -> onnx.ModelProto:
    model = residual_network()
    return (precision or Int8()).convert(model, grid or Grid(), table_of(model))


def initializers(model):
    return {tensor.name: tensor for tensor in model.graph.initializer}


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_logits_stay_close_to_float32_on_every_grid(grid):
    images = pictures()
    error = relative_error(run(converted(grid=grid), images)[0], run(residual_network(), images)[0])
    assert 0 < error < 0.02


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_zero_points_have_the_grids_type(grid):
    model = converted(grid=grid)
    zero = initializers(model)["relu1/zero_point"]
    assert zero.data_type == (TensorProto.INT8 if grid.activation == "int8" else TensorProto.UINT8)
    middle = {"int8": 0, "uint8": 128} if grid.symmetric else {"int8": -128, "uint8": 0}
    assert numpy_helper.to_array(zero) == middle[grid.activation]


def test_weights_are_stored_in_8_bits_per_output_channel_and_biases_in_float32():
    stored = initializers(converted())
    assert stored["kernel1/codes"].data_type == TensorProto.INT8
    assert list(stored["kernel1/scale"].dims) == [16]
    assert stored["bias1"].data_type == TensorProto.FLOAT
    assert "kernel1" not in stored
    assert not any(tensor.data_type == TensorProto.INT32 for tensor in stored.values())


def test_inputs_and_outputs_keep_names_and_types():
    before, after = residual_network(), converted()
    assert list(after.graph.input) == list(before.graph.input)
    assert list(after.graph.output) == list(before.graph.output)


def test_the_source_model_is_left_alone():
    model = residual_network()
    untouched = model.SerializeToString()
    Int8().convert(model, Grid(), table_of(model))
    assert model.SerializeToString() == untouched


@pytest.mark.parametrize(
    ("precision", "pairs"),
    [
        (Int8(), {"planes", "relu1"}),
        (Int8(last_layer=True), {"planes", "relu1", "features"}),
        (Int8(first_layer=False), {"relu1"}),
        (Int8(exclude_nodes=["conv2"], residual=False), {"planes"}),
        (Int8(exclude_nodes=["conv?", "skip"], last_layer=True), {"features"}),
        (Int8(exclude_types=["Conv", "Add"], last_layer=True), {"features"}),
        (Int8(exclude_types=["Conv"], last_layer=True), {"features"}),
        (Int8(exclude_nodes=["conv2"]), {"planes"}),
        (Int8(exclude_nodes=["relu1"]), {"planes"}),
        (Int8(exclude_nodes=["plan?s"]), {"relu1"}),
        (Int8(exclude_nodes=["kernel1"]), {"relu1"}),
    ],
)
def test_switches_and_exclusions_move_the_pairs(precision, pairs):
    nodes = converted(precision).graph.node
    assert {node.input[0] for node in nodes if node.op_type == "QuantizeLinear"} == pairs


def test_kernels_that_cannot_fuse_an_add_get_both_its_inputs_quantized():
    pairs = [
        Counter(node.op_type for node in converted(grid=grid).graph.node)["QuantizeLinear"]
        for grid in (Grid(), Grid("uint8", symmetric=False))
    ]
    assert pairs == [2, 3]


def test_the_tensors_of_the_noise_report_that_are_quantized_are_those_with_pairs():
    model = residual_network()
    made = Int8(exclude_nodes=["conv1"]).convert(model, Grid(), table_of(model))
    paired = {node.name.removesuffix("/dequantize") for node in made.graph.node if node.op_type == "DequantizeLinear"}
    assert Int8(exclude_nodes=["conv1"]).quantized_tensors(model) == paired == {"relu1", "kernel2"}


@pytest.mark.parametrize(
    "nothing",
    [{"exclude_types": ["Conv"]}, {"exclude_nodes": ["conv*"]}, {"first_layer": False, "exclude_nodes": ["conv2"]}],
)
@pytest.mark.parametrize("grid", GRIDS[:2], ids=str)
def test_a_graph_without_any_pair_is_refused_with_the_switches(nothing, grid):
    with pytest.raises(BuildError, match=r"nothing is left to be quantized[^$]*last_layer=False[^$]*exclude_types"):
        converted(Int8(**nothing), grid)


@pytest.mark.parametrize(
    "excluded",
    [
        {"exclude_nodes": ["conv9"]},
        {"exclude_types": ["Conv2D"]},
        {"exclude_nodes": ["mean"]},
        {"exclude_types": ["Relu"]},
    ],
)
def test_an_exclusion_that_matches_nothing_names_what_there_is(excluded):
    with pytest.raises(BuildError, match=r"matches no node[^$]*conv1 \(Conv\)"):
        converted(Int8(**excluded))


def test_a_table_of_another_model_is_refused_with_both_hashes():
    table = table_of(residual_network(seed=1))
    with pytest.raises(CalibrationError, match="made from another model") as caught:
        Int8().convert(residual_network(), Grid(), table)
    assert str(table.provenance.model_sha256) in str(caught.value)
    assert model_hash(residual_network()) in str(caught.value)
    assert table.provenance.model_sha256 != model_hash(residual_network())


def test_no_table_and_a_table_without_the_tensor_are_refused():
    model = residual_network()
    with pytest.raises(CalibrationError, match="needs a calibration table"):
        Int8().convert(model, Grid(), None)
    table = table_of(model)
    partial = {name: seen for name, seen in table.ranges.items() if name != "relu1"}
    with pytest.raises(CalibrationError, match="without relu1"):
        Int8().convert(model, Grid(), replace(table, ranges=partial))


@given(hnp.arrays(np.float32, (4, 6), elements=st.floats(-100, 100, width=32)), st.sampled_from([0, 1, None]))
def test_weight_codes_err_by_at_most_half_a_step(weight, axis):
    scales, codes = IntegerCodec(Grid()).weight(weight, axis)
    shape = {0: (-1, 1), 1: (1, -1), None: ()}[axis]
    steps = scales.reshape(shape)
    assert codes.min() >= -127
    assert (np.abs(codes * steps - weight) <= steps * (0.5 + 1e-4)).all()


def test_a_dead_tensor_converts_to_finite_logits():
    model = residual_network()
    table = table_of(model)
    dead = {**table.ranges, "relu1": TensorRange(0, 0, 0, 0, "minmax", 0)}
    logits = run(Int8().convert(model, Grid(), replace(table, ranges=dead)), pictures())[0]
    assert np.isfinite(logits).all()
