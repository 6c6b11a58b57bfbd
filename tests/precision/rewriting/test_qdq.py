"""Where pairs stand and how they are written, rule by rule."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from roundoff.calibration.base import TensorRange
from roundoff.calibration.observing.table import CalibrationTable, Provenance
from roundoff.errors import BuildError
from roundoff.graph.queries import constants, model_hash
from roundoff.precision.base import Grid
from roundoff.precision.int8 import IntegerCodec
from roundoff.precision.rewriting.placement import Placement, plan
from roundoff.precision.rewriting.qdq import quantize
from tests.support.networks import pictures, residual_network, run, table_of


def graph_of(nodes, weights, opset=18, shape=("N", 4, 4, 3)):
    """A model around `nodes` from `image` to `logits`; every float activation gets the range -1 to 1."""
    graph = helper.make_graph(
        [helper.make_node("Cast", ["image"], ["x"], "cast", to=TensorProto.FLOAT), *nodes],
        "graph",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["a", "b"])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    names = {name for node in graph.node for name in node.output}
    ranges = {name: TensorRange(-1, 1, -1, 1, "minmax", 0) for name in names}
    return model, CalibrationTable(ranges, Provenance(model_sha256=model_hash(model)))


def kernel(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def places(model, placement=None):
    found = plan(model, placement or Placement(last_layer=True))
    names = [node.name for node in model.graph.node]
    return tuple({(names[site.node], site.tensor) for site in sites} for sites in (found.inputs, found.weights))


def test_conv_inputs_and_the_skip_branch_are_quantized_but_not_the_direct_one():
    inputs, weights = places(residual_network())
    assert inputs == {("conv1", "planes"), ("conv2", "relu1"), ("skip", "relu1"), ("dense", "features")}
    assert weights == {("conv1", "kernel1"), ("conv2", "kernel2"), ("dense", "dense")}


def test_where_two_convs_meet_in_an_add_the_projection_is_the_branch():
    model, _ = graph_of(
        [
            helper.make_node("Conv", ["x", "w3"], ["main"], "main", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
            helper.make_node("Conv", ["x", "w1"], ["side"], "side", kernel_shape=[1, 1]),
            helper.make_node("Add", ["side", "main"], ["logits"], "skip"),
        ],
        {"w3": kernel(4, 4, 3, 3), "w1": kernel(4, 4, 1, 1)},
    )
    assert ("skip", "side") in places(model)[0]
    assert ("skip", "main") not in places(model)[0]


def test_an_add_that_no_quantized_conv_feeds_is_left_alone():
    inputs, _ = places(residual_network(), Placement(exclude_nodes=["conv2"]))
    assert inputs == {("conv1", "planes")}


def test_a_name_of_both_a_node_and_its_output_leaves_out_both():
    model, _ = graph_of(
        [
            helper.make_node("Conv", ["x", "w3"], ["main"], "main", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
            helper.make_node("Conv", ["x", "w1"], ["side"], "side", kernel_shape=[1, 1]),
            helper.make_node("Add", ["side", "main"], ["logits"], "skip"),
        ],
        {"w3": kernel(4, 4, 3, 3), "w1": kernel(4, 4, 1, 1)},
    )
    inputs, weights = places(model, Placement(last_layer=True, exclude_nodes=["side"]))
    assert (inputs, weights) == ({("main", "x")}, {("main", "w3")})


def test_of_two_convs_that_meet_in_an_add_a_quantized_one_is_fused():
    model, _ = graph_of(
        [
            helper.make_node("Conv", ["x", "w3"], ["main"], "large", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
            helper.make_node("Conv", ["x", "w1"], ["side"], "small", kernel_shape=[1, 1]),
            helper.make_node("Add", ["side", "main"], ["logits"], "skip"),
        ],
        {"w3": kernel(4, 4, 3, 3), "w1": kernel(4, 4, 1, 1)},
    )
    inputs, _ = places(model, Placement(last_layer=True, exclude_nodes=["large"]))
    assert inputs == {("small", "x"), ("skip", "main")}


def test_a_conv_output_that_others_read_too_is_not_fused():
    model, _ = graph_of(
        [
            helper.make_node("Conv", ["x", "w"], ["a"], "first"),
            helper.make_node("Conv", ["a", "w"], ["b"], "second"),
            helper.make_node("Add", ["a", "b"], ["logits"], "skip"),
        ],
        {"w": kernel(4, 4, 1, 1)},
    )
    assert {("skip", "a")} == {place for place in places(model)[0] if place[0] == "skip"}


def test_a_bias_add_pooling_and_softmax_are_left_alone():
    model, _ = graph_of(
        [
            helper.make_node("MatMul", ["x", "w"], ["product"], "dense"),
            helper.make_node("Add", ["product", "bias"], ["sum"], "bias"),
            helper.make_node("AveragePool", ["sum"], ["pooled"], "pool", kernel_shape=[1, 1]),
            helper.make_node("Softmax", ["pooled"], ["logits"], "softmax"),
        ],
        {"w": kernel(3, 5), "bias": kernel(5)},
    )
    assert places(model) == ({("dense", "x")}, {("dense", "w")})


def test_a_product_of_two_activations_is_left_alone():
    model, _ = graph_of([helper.make_node("MatMul", ["x", "x"], ["logits"], "attention")], {})
    assert places(model) == (set(), set())


def test_one_pair_serves_all_readers_of_a_tensor_and_stands_right_behind_it():
    model = residual_network()
    nodes = quantize(model, table_of(model), IntegerCodec(Grid()), Placement()).graph.node
    order = [node.name for node in nodes]
    assert order.count("relu1/quantize") == 1
    assert order.index("relu1/quantize") == order.index("relu1") + 1
    readers = {node.name for node in nodes if "relu1/quantized" in node.input}
    assert readers == {"conv2", "skip"}


def test_a_weight_in_a_constant_node_is_quantized_and_the_node_dropped():
    value = numpy_helper.from_array(kernel(3, 5), "value")
    model, table = graph_of(
        [
            helper.make_node("Constant", [], ["w"], "constant", value=value),
            helper.make_node("MatMul", ["x", "w"], ["logits"], "dense"),
        ],
        {},
    )
    made = quantize(model, table, IntegerCodec(Grid()), Placement(last_layer=True))
    assert "Constant" not in {node.op_type for node in made.graph.node}
    assert "w/codes" in constants(made)


def test_a_weight_shared_along_two_axes_is_stored_for_each():
    model, table = graph_of(
        [
            helper.make_node("Gemm", ["x", "w"], ["h"], "plain"),
            helper.make_node("Gemm", ["h", "w"], ["k"], "again"),
            helper.make_node("Gemm", ["k", "w"], ["logits"], "transposed", transB=1),
        ],
        {"w": kernel(4, 4)},
        shape=("N", 4),
    )
    made = quantize(model, table, IntegerCodec(Grid()), Placement(last_layer=True))
    weights = [node for node in made.graph.node if node.op_type == "DequantizeLinear" and node.name.startswith("w")]
    assert sorted(node.attribute[0].i for node in weights) == [0, 1]
    assert len({node.output[0] for node in weights}) == 2


def test_an_old_operator_set_is_refused():
    model, table = graph_of([helper.make_node("MatMul", ["x", "w"], ["logits"], "dense")], {"w": kernel(3, 5)}, 12)
    with pytest.raises(BuildError, match="opset 13 or newer"):
        quantize(model, table, IntegerCodec(Grid()), Placement(last_layer=True))


def test_the_result_passes_the_full_checker():
    model = residual_network()
    made = quantize(model, table_of(model), IntegerCodec(Grid()), Placement(last_layer=True))
    onnx.checker.check_model(made, full_check=True)


def test_a_weight_behind_identity_is_quantized_and_nothing_of_it_is_left():
    model = residual_network()
    node = next(n for n in model.graph.node if n.name == "conv2")
    model.graph.node.insert(0, helper.make_node("Identity", ["kernel2"], ["alias"], "alias"))
    node.input[1] = "alias"
    made = quantize(model, table_of(model), IntegerCodec(Grid()), Placement())
    plain = residual_network()
    wanted = quantize(plain, table_of(plain), IntegerCodec(Grid()), Placement())
    assert "kernel2" not in {tensor.name for tensor in made.graph.initializer}
    assert [n.op_type for n in made.graph.node] == [n.op_type for n in wanted.graph.node]
    np.testing.assert_array_equal(run(made, pictures())[0], run(wanted, pictures())[0])
