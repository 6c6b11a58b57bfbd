"""Multiply-adds and bytes of a batch, by hand."""

import onnx
import pytest
from onnx import TensorProto, helper

from roundoff.graph.costs import Costs, node_name
from tests.support.networks import residual_network


def test_multiply_adds_are_those_of_the_shapes():
    costs = Costs.of(residual_network(), 4)
    assert costs.macs == {
        "conv1": 4 * 16 * 8 * 8 * 3 * 9,
        "conv2": 4 * 16 * 8 * 8 * 16 * 9,
        "dense": 4 * 16 * 10,
    }


def test_a_product_of_activations_counts_each_of_its_rows():
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in SHAPES.items()]
    nodes = [
        helper.make_node("MatMul", ["tokens", "keys"], ["scores"], "scores"),
        helper.make_node("Gemm", ["left", "right"], ["across"], "across", transA=1),
        helper.make_node("ConvTranspose", ["planes", "kernel"], ["wider"], "wider", strides=[2, 2]),
    ]
    outputs = [helper.make_tensor_value_info(each.output[0], TensorProto.FLOAT, None) for each in nodes]
    model = helper.make_model(
        helper.make_graph(nodes, "products", inputs, outputs), opset_imports=[helper.make_opsetid("", 18)]
    )
    assert Costs.of(model, 2).macs == {"scores": 2 * 5 * 7 * 3, "across": 6 * 2 * 4, "wider": 2 * 3 * 4 * 4 * 5 * 4}


SHAPES = {
    "tokens": [2, 5, 3],
    "keys": [2, 3, 7],
    "left": [2, 6],
    "right": [2, 4],
    "planes": [2, 3, 4, 4],
    "kernel": [2, 5, 2, 2],
}


def test_fused_nodes_move_only_what_crosses_their_border():
    costs = Costs.of(residual_network(), 2)
    pixels, kernel, bias, planes = 2 * 8 * 8 * 3, 16 * 3 * 9, 16, 2 * 16 * 8 * 8
    assert costs.moved_bytes(["conv1", "relu1"]) == 4 * (pixels + kernel + bias + planes)
    assert costs.moved_bytes(["cast"]) == pixels + 4 * pixels


def test_what_is_not_known_is_none():
    costs = Costs.of(residual_network(), 2)
    assert costs.macs_of(["relu1"]) is None
    assert costs.macs_of(["conv1", "relu1"]) == costs.macs["conv1"]
    assert costs.moved_bytes(["of another graph"]) is None


@pytest.mark.parametrize(("name", "expected"), [("conv", "conv"), ("", "made")])
def test_a_node_without_a_name_is_called_by_what_it_gives(name, expected):
    assert node_name(onnx.helper.make_node("Relu", ["x"], ["made"], name)) == expected
