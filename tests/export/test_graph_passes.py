"""What is done to a graph between the converter and its file."""

import numpy as np
import pytest
from onnx import TensorProto, checker, helper, numpy_helper, shape_inference

from roundoff.export.corrections import corrected
from roundoff.export.folding import cast_first, drop_idle_reshapes
from roundoff.export.layers import Labels
from roundoff.export.naming import name_by_layer

OPSET = [helper.make_opsetid("", 18)]


class NoLabels(Labels):
    """No layer is known: names come from operators alone."""

    def __init__(self):
        """Of no model."""

    def of(self, candidates):
        return None


def model(nodes, constants=(), image=TensorProto.FLOAT, shape=(2, 2, 3), result=("N", 3, 2, 2)):
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants]
    given = [helper.make_tensor_value_info("image", image, ["N", *shape])]
    answer = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, result)]
    return helper.make_model(helper.make_graph(nodes, "model", given, answer, constants), opset_imports=OPSET)


def operators(graph):
    return [node.op_type for node in graph.node]


def test_a_transpose_of_bytes_moves_behind_its_cast():
    nodes = [
        helper.make_node("Transpose", ["image"], ["turned"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["turned"], ["logits"], to=TensorProto.FLOAT),
    ]
    found = model(nodes, image=TensorProto.UINT8)
    cast_first(found)
    assert operators(found.graph) == ["Cast", "Transpose"]
    assert found.graph.node[0].input[0] == "image"
    assert found.graph.node[1].output[0] == "logits"
    checker.check_model(found, full_check=True)


def test_a_transpose_of_floats_stays():
    nodes = [
        helper.make_node("Transpose", ["image"], ["turned"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["turned"], ["logits"], to=TensorProto.FLOAT),
    ]
    found = model(nodes)
    cast_first(found)
    assert operators(found.graph) == ["Transpose", "Cast"]


@pytest.mark.parametrize(("target", "left"), [([-1, 2, 2, 3], []), ([-1, 3, 2, 2], ["Reshape"])])
def test_a_reshape_that_changes_nothing_goes(target, left):
    nodes = [
        helper.make_node("Relu", ["image"], ["positive"]),
        helper.make_node("Reshape", ["positive", "target"], ["same"]),
        helper.make_node("Abs", ["same"], ["logits"]),
    ]
    constants = [("target", np.array(target))]
    found = shape_inference.infer_shapes(model(nodes, constants, result=("N", *target[1:])))
    drop_idle_reshapes(found)
    assert operators(found.graph) == ["Relu", *left, "Abs"]
    assert len(found.graph.initializer) == len(left)
    checker.check_model(found, full_check=True)


def test_inputs_of_a_variadic_operator_get_names_of_their_own():
    nodes = [helper.make_node("Sum", ["image", "one", "two"], ["logits"])]
    found = model(nodes, [("one", np.float32(1)), ("two", np.float32(2))], result=("N", 2, 2, 3))
    name_by_layer(found, NoLabels())
    assert list(found.graph.node[0].input) == ["image", "graph/Sum/data_0", "graph/Sum/data_0_2"]
    checker.check_model(found, full_check=True)


def test_names_reach_into_a_loop():
    body = helper.make_graph(
        [
            helper.make_node("Add", ["state", "outside"], ["next"]),
            helper.make_node("Identity", ["go"], ["go_on"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )
    nodes = [helper.make_node("Loop", ["count", "", "image"], ["logits"], body=body)]
    constants = [("count", np.array(3)), ("outside", np.float32(2))]
    found = model(nodes, constants, result=("N", 2, 2, 3))
    name_by_layer(found, NoLabels())
    loop = found.graph.node[0]
    inner = loop.attribute[0].g
    assert list(loop.input) == ["graph/Loop/M", "", "image"]
    assert inner.node[0].input[1] in {tensor.name for tensor in found.graph.initializer}
    assert inner.node[0].name == "graph/Add"
    assert [value.name for value in inner.output] == [inner.node[1].output[0], inner.node[0].output[0]]
    checker.check_model(found, full_check=True)


@pytest.mark.parametrize(
    ("written", "pads", "output_padding"),
    [([1, 0, 1, 2], [1, 0, 1, 2], None), ([0, 1, -1, 1], [0, 1, 0, 1], [1, 0]), ([-1, 0, -1, 0], [0] * 4, [2, 0])],
)
def test_a_negative_padding_becomes_zeros_behind(written, pads, output_padding):
    nodes = [helper.make_node("ConvTranspose", ["image", "weight"], ["logits"], strides=[3, 3], pads=written)]
    found = model(nodes, [("weight", np.ones((2, 4, 2, 2), np.float32))], result=("N", 4, None, None))
    corrected(found)
    attributes = {each.name: list(each.ints) for each in found.graph.node[0].attribute}
    assert (attributes["pads"], attributes.get("output_padding")) == (pads, output_padding)
    checker.check_model(found, full_check=True)


@pytest.mark.parametrize(("before", "after"), [(2, 4), (2, 3), (4, 3), (8, 3)])
def test_the_nearest_pixel_is_tensorflows_by_a_mode_that_onnx_still_has(before, after):
    import onnxruntime

    modes = {"coordinate_transformation_mode": "tf_half_pixel_for_nn", "nearest_mode": "floor", "mode": "nearest"}
    nodes = [helper.make_node("Resize", ["image", "", "", "sizes"], ["logits"], **modes)]
    found = model(nodes, [("sizes", np.array([1, after, 1, 1]))], shape=(before, 1, 1), result=(1, after, 1, 1))
    corrected(found)
    checker.check_model(found, full_check=True)
    session = onnxruntime.InferenceSession(found.SerializeToString(), providers=["CPUExecutionProvider"])
    rows = np.arange(before, dtype=np.float32).reshape(1, before, 1, 1)
    wanted = np.floor((np.arange(after) + 0.5) * before / after)
    assert session.run(None, {"image": rows})[0].ravel().tolist() == wanted.tolist()
    attributes = {each.name: each.s.decode() for each in found.graph.node[0].attribute}
    assert attributes["coordinate_transformation_mode"] == "half_pixel"
