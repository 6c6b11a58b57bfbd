"""Shapes that a graph computes are constants in its file."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from roundoff.export.shapes import written_shapes

N = 4


def graph(nodes, constants=(), shape=("N", 2, 6), result=("N", 4, 3)):
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants]
    given = [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)]
    answer = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, result)]
    inside = helper.make_graph(nodes, "model", given, answer, constants)
    return helper.make_model(inside, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def answers(model, batch=N):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    image = np.random.default_rng(0).normal(size=(batch, 2, 6)).astype(np.float32)
    return session.run(None, {"image": image})[0]


def operators(model):
    return [node.op_type for node in model.graph.node]


def batch_of(name):
    """The batch size, as tf2onnx reads it out of a tensor."""
    return [
        helper.make_node("Shape", [name], ["shape"]),
        helper.make_node("Cast", ["shape"], ["narrow"], to=TensorProto.INT32),
        helper.make_node("Slice", ["narrow", "zero", "one"], ["batch"]),
    ]


NUMBERS = [("zero", np.array([0])), ("one", np.array([1]))]


def same_before_and_after(model, left):
    before = {batch: answers(model, batch) for batch in (1, N)}
    written_shapes(model)
    onnx.checker.check_model(model, full_check=True)
    assert operators(model) == left
    for batch, expected in before.items():
        np.testing.assert_array_equal(answers(model, batch), expected)


def test_the_batch_is_left_open_in_a_target():
    nodes = [
        *batch_of("image"),
        helper.make_node("Concat", ["batch", "rest"], ["narrow_target"], axis=0),
        helper.make_node("Cast", ["narrow_target"], ["target"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["image", "target"], ["logits"], allowzero=0),
    ]
    model = graph(nodes, [*NUMBERS, ("rest", np.array([4, 3], np.int32))])
    same_before_and_after(model, ["Reshape"])
    assert [numpy_helper.to_array(each).tolist() for each in model.graph.initializer] == [[-1, 4, 3]]


def test_what_a_target_leaves_open_itself_is_found():
    nodes = [
        *batch_of("image"),
        helper.make_node("Concat", ["batch", "rest"], ["narrow_target"], axis=0),
        helper.make_node("Cast", ["narrow_target"], ["target"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["image", "target"], ["logits"]),
    ]
    same_before_and_after(graph(nodes, [*NUMBERS, ("rest", np.array([-1, 3], np.int32))]), ["Reshape"])


def test_a_scale_made_of_a_width_is_a_constant():
    nodes = [
        helper.make_node("Shape", ["image"], ["width"], start=2),
        helper.make_node("Cast", ["width"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("Sqrt", ["wide"], ["root"]),
        helper.make_node("Div", ["image", "root"], ["logits"]),
    ]
    model = graph(nodes, result=("N", 2, 6))
    same_before_and_after(model, ["Div"])
    assert numpy_helper.to_array(model.graph.initializer[0]) == np.sqrt(np.float32(6))


def test_one_number_stays_without_an_axis():
    nodes = [
        helper.make_node("Shape", ["image"], ["count"], start=1, end=2),
        helper.make_node("Sub", ["count", "one"], ["last"]),
        helper.make_node("Squeeze", ["last"], ["index"]),
        helper.make_node("Gather", ["image", "index"], ["logits"], axis=1),
    ]
    same_before_and_after(graph(nodes, NUMBERS, result=("N", 6)), ["Gather"])


def test_what_needs_the_batch_goes_on_computing_it():
    nodes = [
        *batch_of("image"),
        helper.make_node("Cast", ["batch"], ["size"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["image", "size"], ["logits"]),
    ]
    model = graph(nodes, NUMBERS, result=("N", 2, 6))
    same_before_and_after(model, ["Shape", "Cast", "Slice", "Cast", "Div"])


def test_a_shape_of_what_is_open_beside_the_batch_stays():
    nodes = [
        helper.make_node("NonZero", ["image"], ["places"]),
        helper.make_node("Shape", ["places"], ["count"], start=1),
        helper.make_node("Cast", ["count"], ["number"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["image", "number"], ["logits"]),
    ]
    model = graph(nodes, result=("N", 2, 6))
    same_before_and_after(model, ["NonZero", "Shape", "Cast", "Mul"])


@pytest.mark.parametrize("operator", ["Shape", "Size"])
def test_a_body_keeps_what_it_reads(operator):
    branch = [helper.make_node("Mul", ["image", "number"], ["scaled"])]
    result = [helper.make_tensor_value_info("scaled", TensorProto.FLOAT, ["N", 2, 6])]
    body = helper.make_graph(branch, "branch", [], result)
    nodes = [
        helper.make_node(operator, ["weight"], ["count"]),
        helper.make_node("Cast", ["count"], ["number"], to=TensorProto.FLOAT),
        helper.make_node("If", ["yes"], ["logits"], then_branch=body, else_branch=body),
    ]
    model = graph(nodes, [("weight", np.zeros(3, np.float32)), ("yes", np.array(True))], result=("N", 2, 6))
    same_before_and_after(model, [operator, "Cast", "If"])
