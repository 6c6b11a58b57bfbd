"""A network whose channels differ in size, and that answers as before."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks.sensitivity.uneven import FACTOR, uneven

SIDE, CHANNELS = 8, 4


def network(*operators):
    """These operators in a row, Convs of `CHANNELS` channels among them, whose inner tensors are outputs, too."""
    random, nodes, tensors, last = np.random.default_rng(0), [], [], "x"
    for number, kind in enumerate(operators):
        inputs = [last]
        if kind == "Conv":
            values = (random.normal(size=(CHANNELS, CHANNELS, 3, 3)), random.normal(size=CHANNELS))
            held = [
                numpy_helper.from_array(v.astype(np.float32), f"{n}{number}") for n, v in zip("wb", values, strict=True)
            ]
            tensors += held
            inputs += [each.name for each in held]
        last = f"{kind}{number}"
        nodes.append(helper.make_node(kind, inputs, [last], last))
    shape = [1, CHANNELS, None, None]
    outputs = [helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, shape) for node in nodes]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, CHANNELS, SIDE, SIDE])
    graph = helper.make_graph(nodes, "g", [x], outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def answers(model):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    x = np.random.default_rng(1).normal(size=(1, CHANNELS, SIDE, SIDE)).astype(np.float32)
    return dict(zip([value.name for value in model.graph.output], session.run(None, {"x": x}), strict=True))


def test_one_channel_between_two_convs_is_larger_and_the_answers_are_those_of_before():
    model = network("Conv", "Relu", "Conv", "Relu", "Conv")
    before, after = answers(model), answers(uneven(model))
    np.testing.assert_allclose(after["Conv4"], before["Conv4"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(after["Relu1"][:, 0], FACTOR * before["Relu1"][:, 0], rtol=1e-4)
    np.testing.assert_array_equal(after["Relu1"][:, 1:], before["Relu1"][:, 1:])
    onnx.checker.check_model(uneven(model))


def test_without_such_a_pair_there_is_none():
    with pytest.raises(ValueError, match="no Conv is read by another alone"):
        uneven(network("Conv", "Sigmoid", "Conv"))
