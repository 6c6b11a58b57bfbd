"""The fake GPU's network in ONNX, and images for it."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.support.fake_trt import CLASSES, IMAGE_SHAPE

IMAGES = np.random.default_rng(0).integers(0, 256, (32, *IMAGE_SHAPE), dtype=np.uint8)


def mean_plus_class_number() -> onnx.ModelProto:
    """The fake GPU's network in ONNX."""
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "axes"], ["mean"], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "one"], ["column"]),
        helper.make_node("Add", ["column", "numbers"], ["logits"]),
    ]
    constants = {"axes": np.array([1, 2, 3]), "one": np.array([1]), "numbers": np.arange(CLASSES, dtype=np.float32)}
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", *IMAGE_SHAPE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", CLASSES])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
