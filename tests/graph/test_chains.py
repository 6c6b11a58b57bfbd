"""What counts as a link of a chain of 8-bit kernels."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from roundoff.graph.links import Links


def links(*nodes: onnx.NodeProto, **constants: object) -> Links:
    """A graph from x [N, 4, 8, 8] to y."""
    value = helper.make_tensor_value_info
    stored = [numpy_helper.from_array(np.asarray(values, np.float32), name) for name, values in constants.items()]
    ends = [value("x", TensorProto.FLOAT, ["N", 4, 8, 8])], [value("y", TensorProto.FLOAT, None)]
    return Links.of(helper.make_model(helper.make_graph(list(nodes), "graph", *ends, stored)))


@pytest.mark.parametrize(
    ("operator", "inputs", "factor"),
    [
        ("Mul", ["x", "two"], 2.0),
        ("Mul", ["two", "x"], 2.0),
        ("Div", ["x", "two"], 0.5),
        ("Div", ["two", "x"], None),
        ("Mul", ["x", "minus"], None),
        ("Mul", ["x", "many"], None),
        ("Mul", ["x", "x"], None),
        ("Add", ["x", "two"], None),
        ("Div", ["x", "zero"], None),
    ],
)
def test_a_factor_is_a_positive_number_beside_one_activation(operator, inputs, factor):
    constants = {"two": 2.0, "minus": -2.0, "zero": 0.0, "many": np.ones((4, 1, 1))}
    found = links(helper.make_node(operator, inputs, ["y"]), **constants)
    assert found.factor(found.nodes[0]) == factor


def test_a_relu_is_folded_where_nothing_else_reads_what_it_reads():
    relu = helper.make_node("Relu", ["a"], ["b"])
    first, last = helper.make_node("Sigmoid", ["x"], ["a"]), helper.make_node("Sigmoid", ["b"], ["y"])
    assert links(first, relu, last).settled("a") == "b"
    assert links(first, relu, helper.make_node("Add", ["a", "b"], ["y"])).settled("a") == "a"
    assert links(helper.make_node("Relu", ["x"], ["y"])).settled("y") == "y"


def test_constants_of_links_are_single_numbers():
    numbers = {"one": 1.0, "many": np.ones((4, 1, 1))}
    for name, chains in {"one": True, "many": False}.items():
        found = links(helper.make_node("Add", ["x", name], ["y"]), **numbers)
        assert found.chains(found.nodes[0]) is chains
    found = links(helper.make_node("Softmax", ["x"], ["y"]))
    assert not found.chains(found.nodes[0])
