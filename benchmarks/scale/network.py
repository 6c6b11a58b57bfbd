"""A tiny network that knows the patterns: no training, and an accuracy well above chance."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.scale.images import CELLS, CHANNELS, FAINT, NOISE, patterns

FILTERS = 8


def network(size: int, classes: int, seed: int) -> onnx.ModelProto:
    """uint8 [N, size, size, 3] → logits float32 [N, classes]: a convolution, means over squares, a matched filter."""
    middle = (NOISE + FAINT) / 2 - 1
    known = patterns(classes, seed).astype(np.float32) - (FAINT - 1) / 2
    weights = np.zeros((FILTERS, CELLS, CELLS, classes), np.float32)
    weights[:CHANNELS] = known.transpose(3, 1, 2, 0)
    matched = weights.reshape(-1, classes)
    # ‖mean − pattern‖² is least where mean · pattern − ‖pattern‖² ÷ 2 is largest
    bias = -middle * matched.sum(axis=0) - (matched**2).sum(axis=0) / 2
    tensors = {"kernel": _kernel(), "weights": matched, "bias": bias.astype(np.float32)}
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["pixels"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["nchw", "kernel"], ["conv"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node(
            "AveragePool", ["relu"], ["means"], kernel_shape=[size // CELLS] * 2, strides=[size // CELLS] * 2
        ),
        helper.make_node("Flatten", ["means"], ["features"]),
        helper.make_node("Gemm", ["features", "weights", "bias"], ["logits"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", size, size, CHANNELS])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", classes])
    stored = [numpy_helper.from_array(value, name) for name, value in tensors.items()]
    graph = helper.make_graph(nodes, "patterns", [image], [logits], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def _kernel() -> np.ndarray:
    """The colours as they are, and mixtures that nothing reads."""
    kernel = np.random.default_rng(0).normal(size=(FILTERS, CHANNELS, 3, 3)).astype(np.float32) / 9
    kernel[:CHANNELS] = 0
    kernel[range(CHANNELS), range(CHANNELS), 1, 1] = 1
    return kernel
