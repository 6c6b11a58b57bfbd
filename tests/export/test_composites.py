"""Layer normalization, GELU and products of sequences are one operator each, as runtimes know them."""

import math

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from roundoff.export.composites import composed
from roundoff.export.products import whole_sequences

RANDOM = np.random.default_rng(0)
EPSILON = 1e-3


def graph(nodes, constants, shape, result=None, opset=18):
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    given = [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)]
    answer = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, result or shape)]
    inside = helper.make_graph(nodes, "model", given, answer, constants)
    model = helper.make_model(inside, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    return onnx.shape_inference.infer_shapes(model)


def answers(model, shape):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    image = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    return session.run(None, {"image": image})[0]


def operators(model):
    return [node.op_type for node in model.graph.node]


def node(operator, inputs, output, **attributes):
    return helper.make_node(operator, inputs.split(), [output], output, **attributes)


def keras_normalization(swapped=()):
    """Its thirteen steps; `swapped` names sums and products that are written the other way round."""
    steps = [
        node("ReduceMean", "image axes", "mean", keepdims=1),
        node("Sub", "image mean", "distance"),
        node("Mul", "distance distance", "square"),
        node("ReduceMean", "square axes", "variance", keepdims=1),
        node("Add", "variance epsilon", "safe"),
        node("Sqrt", "safe", "root"),
        node("Reciprocal", "root", "inverse"),
        node("Mul", "inverse gamma", "g"),
        node("Neg", "mean", "negative"),
        node("Mul", "negative g", "moved"),
        node("Add", "moved beta", "shift"),
        node("Mul", "image g", "scaled"),
        node("Add", "scaled shift", "logits"),
    ]
    for step in steps:
        if step.output[0] in swapped:
            step.input[:] = reversed(step.input)
    return steps


def normalization_constants(axis, shape):
    return {
        "axes": np.array([axis]),
        "epsilon": np.array(EPSILON, np.float32),
        "gamma": RANDOM.normal(size=shape).astype(np.float32),
        "beta": RANDOM.normal(size=shape).astype(np.float32),
    }


@pytest.mark.parametrize("swapped", [(), ("safe", "g", "moved", "shift", "scaled", "logits")])
@pytest.mark.parametrize(("axis", "shape"), [(-1, (1, 1, 6)), (2, (6,)), (-1, (6,))])
def test_a_layer_normalization_of_the_last_axis(axis, shape, swapped):
    model = graph(keras_normalization(swapped), normalization_constants(axis, shape), ["N", 5, 6])
    before = answers(model, (3, 5, 6))
    composed(model)
    onnx.checker.check_model(model, full_check=True)
    assert operators(model) == ["LayerNormalization"]
    assert len(model.graph.initializer) == 2
    np.testing.assert_allclose(answers(model, (3, 5, 6)), before, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("without", [("gamma",), ("beta",), ("gamma", "beta")])
def test_one_without_gamma_or_beta(without):
    steps, constants = keras_normalization(), normalization_constants(-1, (6,))
    for name in without:
        del constants[name]
        dropped = next(step for step in steps if name in step.input)
        for step in steps:
            step.input[:] = [dropped.input[0] if read == dropped.output[0] else read for read in step.input]
        steps.remove(dropped)
    model = graph(steps, constants, ["N", 5, 6])
    before = answers(model, (3, 5, 6))
    composed(model)
    onnx.checker.check_model(model, full_check=True)
    assert operators(model) == ["LayerNormalization"]
    np.testing.assert_allclose(answers(model, (3, 5, 6)), before, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("axis", [1, -3])
def test_one_of_channels_first_is_turned_there_and_back(axis):
    constants = normalization_constants(axis, (1, 6, 1, 1))
    model = graph(keras_normalization(), constants, ["N", 6, 4, 5])
    before = answers(model, (3, 6, 4, 5))
    composed(model)
    onnx.checker.check_model(model, full_check=True)
    assert operators(model) == ["Transpose", "LayerNormalization", "Transpose"]
    np.testing.assert_allclose(answers(model, (3, 6, 4, 5)), before, rtol=1e-5, atol=1e-5)


def test_what_is_turned_back_at_once_is_read_as_it_is():
    steps = [*keras_normalization(), node("Transpose", "normal", "turned", perm=[0, 2, 3, 1])]
    steps[-2].name, steps[-2].output[0] = "normal", "normal"
    steps += [node("Relu", "turned", "positive"), node("Transpose", "positive", "logits", perm=[0, 3, 1, 2])]
    model = graph(steps, normalization_constants(1, (1, 6, 1, 1)), ["N", 6, 4, 5])
    before = answers(model, (3, 6, 4, 5))
    composed(model)
    assert operators(model) == ["Transpose", "LayerNormalization", "Relu", "Transpose"]
    np.testing.assert_allclose(answers(model, (3, 6, 4, 5)), before, rtol=1e-5, atol=1e-5)


def another_mean(steps):
    steps.insert(4, node("ReduceMean", "distance axes", "mean_2", keepdims=1))
    steps[9].input[0] = "mean_2"


def another_axis(steps):
    steps[3].input[1] = "other"


def another_scale(steps):
    steps[11].input[1] = "gamma"


def no_square(steps):
    steps[2].input[1] = "image"


@pytest.mark.parametrize("change", [another_mean, another_axis, another_scale, no_square])
def test_what_only_looks_like_one_stays(change):
    steps = keras_normalization()
    change(steps)
    constants = {**normalization_constants(-1, (1, 6, 6)), "other": np.array([-2])}
    constants["gamma"], constants["beta"] = constants["gamma"][:, :1], constants["beta"][:, :1]
    model = graph(steps, constants, ["N", 6, 6])
    before = operators(model)
    composed(model)
    assert operators(model) == before


def test_a_gamma_along_two_axes_stays():
    model = graph(keras_normalization(), normalization_constants(-1, (1, 5, 6)), ["N", 5, 6])
    composed(model)
    assert "LayerNormalization" not in operators(model)


def test_an_opset_that_has_no_such_operator_keeps_the_steps():
    steps = keras_normalization()
    for step in steps:
        if step.op_type == "ReduceMean":
            step.input[1:], axes = [], helper.make_attribute("axes", [-1])
            step.attribute.append(axes)
    model = graph(steps, normalization_constants(-1, (6,)), ["N", 5, 6], opset=15)
    composed(model)
    assert "LayerNormalization" not in operators(model)


ROOT = math.sqrt(0.5)


def keras_gelu(root=ROOT, half=0.5, one=1.0):
    steps = [
        node("Neg", "image", "negative"),
        node("Mul", "negative root", "divided"),
        node("Erf", "divided", "error"),
        node("Sub", "one error", "complement"),
        node("Mul", "half image", "halved"),
        node("Mul", "halved complement", "logits"),
    ]
    return steps, {name: np.float32(value) for name, value in (("root", root), ("half", half), ("one", one))}


def test_a_gelu_is_one_kernel_to_onnxruntime(tmp_path):
    steps, constants = keras_gelu()
    model = graph(steps, constants, ["N", 5, 6])
    before = answers(model, (3, 5, 6))
    composed(model)
    onnx.checker.check_model(model, full_check=True)
    np.testing.assert_allclose(answers(model, (3, 5, 6)), before, rtol=1e-5, atol=1e-6)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    assert operators(onnx.load(tmp_path / "optimized.onnx")) == ["Gelu"]


@pytest.mark.parametrize("other", [{"root": 0.7}, {"half": 0.25}, {"one": 2.0}])
def test_another_function_stays(other):
    steps, constants = keras_gelu(**other)
    model = graph(steps, constants, ["N", 5, 6])
    composed(model)
    assert operators(model) == [step.op_type for step in steps]


def sequence(rows=(-1, 6), back=(-1, 5, 8)):
    steps = [
        node("Reshape", "image rows", "matrix"),
        node("MatMul", "matrix weight", "product"),
        node("Reshape", "product back", "logits"),
    ]
    weight = RANDOM.normal(size=(rows[-1], back[-1])).astype(np.float32)
    return steps, {"rows": np.array(rows), "back": np.array(back), "weight": weight}


def test_a_sequence_is_multiplied_as_it_is():
    steps, constants = sequence()
    model = graph(steps, constants, ["N", 5, 6], ["N", 5, 8])
    before = answers(model, (3, 5, 6))
    whole_sequences(model)
    assert operators(model) == ["MatMul"]
    onnx.checker.check_model(model, full_check=True)
    np.testing.assert_allclose(answers(model, (3, 5, 6)), before, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("rows", "back", "result"),
    [((-1, 30), (-1, 5, 8), ["N", 5, 8]), ((-1, 6), (-1, 20, 2), ["N", 20, 2]), ((-1, 3), (-1, 10, 8), ["N", 10, 8])],
)
def test_rows_that_are_not_the_last_axis_stay(rows, back, result):
    steps, constants = sequence(rows, back)
    if rows == (-1, 30):
        constants["weight"] = RANDOM.normal(size=(30, 40)).astype(np.float32)
    if back == (-1, 20, 2):
        constants["weight"] = RANDOM.normal(size=(6, 8)).astype(np.float32)
    model = graph(steps, constants, ["N", 5, 6], result)
    whole_sequences(model)
    assert operators(model) == ["Reshape", "MatMul", "Reshape"]


def test_a_matrix_that_others_read_stays():
    steps, constants = sequence()
    steps += [node("Neg", "matrix", "unread")]
    model = graph(steps, constants, ["N", 5, 6], ["N", 5, 8])
    whole_sequences(model)
    assert operators(model) == ["Reshape", "MatMul", "Reshape", "Neg"]
