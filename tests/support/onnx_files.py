"""Classifiers as other tools export them."""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

SHAPE, CLASSES = (8, 10, 3), tuple("abcde")


IMAGENET = {"scale": "1/255", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
PIXELS = np.random.default_rng(0).integers(0, 256, (6, *SHAPE), dtype=np.uint8)


def graph(
    input_name="input.1",
    output_name="495",
    kind="float",
    planes=True,
    batch="batch",
    opset=13,
    tail=(),
    classes=5,
    size=SHAPE,
):
    """As torch.onnx.export writes a small network: Conv, Relu, pooling, a Reshape to [batch, 4], Gemm."""
    random = np.random.default_rng(1)
    height, width, channels = size
    values = {
        "conv.weight": random.normal(size=(4, channels, 3, 3)),
        "conv.bias": random.normal(size=4),
        "fc.weight": random.normal(size=(classes, 4)),
        "fc.bias": random.normal(size=classes),
    }
    constants = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in values.items()]
    constants.append(numpy_helper.from_array(np.array([batch if isinstance(batch, int) else -1, 4]), "flat"))
    taken, nodes = input_name, []
    if kind == "uint8":
        nodes.append(helper.make_node("Cast", [taken], ["floats"], "", to=TensorProto.FLOAT))
        taken = "floats"
    if not planes:
        nodes.append(helper.make_node("Transpose", [taken], ["planes"], "", perm=[0, 3, 1, 2]))
        taken = "planes"
    nodes += [
        helper.make_node("Conv", [taken, "conv.weight", "conv.bias"], ["x1"], "/conv/Conv"),
        helper.make_node("Relu", ["x1"], ["x2"], "/Relu"),
        helper.make_node("GlobalAveragePool", ["x2"], ["x3"], "/pool"),
        helper.make_node("Reshape", ["x3", "flat"], ["x4"], "/Reshape"),
        helper.make_node("Gemm", ["x4", "fc.weight", "fc.bias"], ["x5"], "/fc/Gemm", transB=1),
    ]
    last = "x5"
    for number, (operator, attributes) in enumerate(tail):
        nodes.append(helper.make_node(operator, [last], [f"t{number}"], f"/{operator}", **attributes))
        last = f"t{number}"
    nodes.append(helper.make_node("Identity", [last], [output_name], ""))
    sizes = [batch, channels, height, width] if planes else [batch, height, width, channels]
    element = TensorProto.UINT8 if kind == "uint8" else TensorProto.FLOAT
    whole = helper.make_graph(
        nodes,
        "torch_jit",
        [helper.make_tensor_value_info(input_name, element, sizes)],
        [helper.make_tensor_value_info(output_name, TensorProto.FLOAT, None)],
        constants,
    )
    return helper.make_model(whole, opset_imports=[helper.make_opsetid("", opset)], ir_version=7)


def answers(model, inputs):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: inputs})[0]


def taken(source, classes=CLASSES, shape=SHAPE):
    return source.open(shape, classes).with_preprocessing(source.preprocessing)
