"""A random classifier for each seed: float32 images [N, 3, 16, 16] of 0 to 1 to numbers for CLASSES classes."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.fuzz.layers import LAYERS, SIZES, Graph, Values, activation, conv
from roundoff.dataset.base import Images

CLASSES, SIDE, CHANNELS = 10, 16, 3
OPSETS = (18, 18, 20, 21)
LEAST_LAYERS, MOST_LAYERS, MOST_CHANNELS = 3, 16, 48


def network(seed: int) -> onnx.ModelProto:
    """The network of that seed."""
    graph = Graph(seed)
    graph.shapes["images"] = (CHANNELS, SIDE, SIDE)
    tensor = activation(graph, conv(graph, "images"))
    graph.shapes.pop("images")
    for _ in range(int(graph.random.integers(LEAST_LAYERS, MOST_LAYERS + 1))):
        tensor = graph.one_of(LAYERS)(graph, tensor)
        if graph.shapes[tensor][0] > MOST_CHANNELS:
            tensor = conv(graph, tensor)
    return _model(graph, _head(graph, tensor))


def images(seed: int, count: int) -> Images:
    """Smooth random images, uint8 [count, SIDE, SIDE, CHANNELS]; other seeds, other images."""
    import numpy as np

    random = np.random.default_rng([1, seed])
    coarse = random.uniform(0, 255, (count, 4, 4, CHANNELS)) * random.uniform(0.2, 1, (count, 1, 1, 1))
    fine = coarse.repeat(SIDE // 4, axis=1).repeat(SIDE // 4, axis=2)
    return np.asarray(np.clip(fine + random.normal(0, 12, fine.shape), 0, 255), np.uint8)


def _head(graph: Graph, tensor: str) -> str:
    """From planes to logits: pooled or flattened, perhaps a hidden layer, Gemm or MatMul."""
    channels, height, width = graph.shapes[tensor]
    if graph.chance(0.6):
        tensor = graph.node("GlobalAveragePool", [tensor], (channels, 1, 1))
        height = width = 1
    features = channels * height * width
    tensor = graph.node("Flatten", [tensor], (features,))
    if graph.chance(0.3):
        hidden = int(graph.one_of(SIZES[2:]))
        tensor = activation(graph, _dense(graph, tensor, features, hidden))
        features = hidden
    return _dense(graph, tensor, features, CLASSES)


def _dense(graph: Graph, tensor: str, features: int, size: int) -> str:
    kernel: Values = graph.kernel(size, features)
    if graph.chance(0.5):
        inputs = [tensor, graph.weight(kernel), graph.weight(graph.vector(size))]
        return graph.node("Gemm", inputs, (size,), transB=1)
    product = graph.node("MatMul", [tensor, graph.weight(kernel.T)], (size,))
    return graph.node("Add", [product, graph.weight(graph.vector(size))], (size,)) if graph.chance(0.5) else product


def _model(graph: Graph, output: str) -> onnx.ModelProto:
    weights = [numpy_helper.from_array(value, name) for name, value in graph.weights.items()]
    batch = "N" if graph.chance(0.7) else 1
    inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, CHANNELS, SIDE, SIDE])]
    if graph.chance(0.05):  # as old exports have it
        inputs += [helper.make_tensor_value_info(each.name, each.data_type, each.dims) for each in weights]
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, [batch, CLASSES])]
    opset = helper.make_opsetid("", int(graph.one_of(OPSETS)))
    made = helper.make_graph(graph.nodes, "random", inputs, outputs, weights)
    return helper.make_model(made, opset_imports=[opset], ir_version=9 if opset.version < 21 else 10)
