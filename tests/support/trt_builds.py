"""A network that TensorRT builds."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from roundoff.backend.base import Source
from roundoff.backend.trt.backend import Tensorrt
from roundoff.precision.base import Grid

trt = pytest.importorskip("tensorrt_rtx")


CALIBRATION = np.zeros((1, 8, 8, 3), np.uint8)


def network(weight_scale: float = 1.0) -> onnx.ModelProto:
    """Image uint8 [N, 8, 8, 3] → scaled → Conv, Relu, mean, Gemm → logits [N, 10]."""
    random = np.random.default_rng(0)
    weights = {
        "scale": np.float32(1 / 127.5),
        "offset": np.float32(-1),
        "kernel": (weight_scale * random.normal(size=(16, 3, 3, 3))).astype(np.float32),
        "bias": random.normal(size=16).astype(np.float32),
        "dense": random.normal(size=(16, 10)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["pixels", "scale"], ["scaled"], "mul"),
        helper.make_node("Add", ["scaled", "offset"], ["centred"], "add"),
        helper.make_node("Transpose", ["centred"], ["planes"], "transpose", perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "kernel", "bias"], ["convolved"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["convolved"], ["rectified"], "relu"),
        helper.make_node("GlobalAveragePool", ["rectified"], ["pooled"], "pool"),
        helper.make_node("Flatten", ["pooled"], ["features"], "flatten"),
        helper.make_node("MatMul", ["features", "dense"], ["logits"], "dense_layer"),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 8, 8, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def build(directory, precision, model=None, **fields):
    graph = directory / "graph.onnx"
    onnx.save(precision.convert(model or network(), Grid(), None), graph)
    source = Source("test", precision, graph, directory / "none.keras", CALIBRATION, log=directory / "logs" / "trt.log")
    return Tensorrt(**fields).build(source, directory)
