"""What a layer does, and what it is called."""

import pytest
from onnx import TensorProto, helper

from roundoff.profiling.roles import Nodes, own_nodes
from tests.support.networks import residual_network


@pytest.mark.parametrize(
    ("kind", "nodes", "role"),
    [
        ("Conv", ["conv1", "relu1"], "product"),
        ("Reformat", ["conv1"], "conversion"),
        ("kgen", ["cast", "transpose"], "conversion"),
        ("kgen", ["cast", "mul"], "other"),
        ("CONV_2D", [], "product"),
        ("QLinearConv", [], "product"),
        ("TRANSPOSE_CONV", [], "product"),
        ("DynamicQuantizeLinear", [], "conversion"),
        ("ReorderInput", [], "conversion"),
        ("Add", ["skip"], "other"),
    ],
)
def test_a_layer_multiplies_converts_or_does_something_else(kind, nodes, role):
    assert Nodes(residual_network()).role(kind, nodes) == role


def named(*names):
    """A graph whose nodes have these names, LAYER/OPERATOR and what else is behind."""
    nodes = []
    for name in names:
        words = [part.split("_")[0] for part in name.split("/")]
        kind = {"quantize": "QuantizeLinear", "dequantize": "DequantizeLinear"}.get(words[-1], words[-1])
        nodes.append(helper.make_node(kind, ["x"], [name], name))
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    return Nodes(helper.make_model(helper.make_graph(nodes, "g", [value], [value])))


def test_fused_layers_are_all_named_without_what_quantizing_added():
    names = ["stem/Conv/W/dequantize", "stem/Conv", "block/relu/Relu_2", "block/relu/Relu_2/quantize"]
    assert named(*names).layer("runtime's", names) == "stem;block/relu"


def test_a_quantization_alone_belongs_to_its_layer_and_a_foreign_name_stays_whole():
    assert named("stem/Conv", "stem/Conv/quantize").layer("it", ["stem/Conv/quantize"]) == "stem"
    assert named("Relu").layer("it", ["Relu"]) == "Relu"
    assert named("Relu").layer("ReorderInput_token_3", []) == "ReorderInput_token_3"


def test_a_product_is_that_of_the_layer_that_multiplies_and_not_of_what_quantizes_behind_it():
    layers = [
        ("correlation", ["w/dequantize", "a/Conv"]),
        ("kgen", ["a/Conv", "a/Relu", "a/Relu/quantize"]),
        ("kgen", ["b/MatMul", "b/Add"]),
        ("runtime_fusion", ["c/MatMul"]),
        ("kgen", ["c/MatMul"]),
    ]
    assert own_nodes(layers) == [
        ("w/dequantize", "a/Conv"),
        ("a/Relu", "a/Relu/quantize"),
        ("b/MatMul", "b/Add"),
        ("c/MatMul",),
        (),
    ]
