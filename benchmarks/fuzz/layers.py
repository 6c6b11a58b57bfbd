"""Random layers, each a few ONNX nodes, with weights as networks have them and as they should not."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, helper, numpy_helper

Values = NDArray[Any]
SIZES = (1, 3, 5, 7, 8, 11, 16, 17, 24)
"""Numbers of channels, odd ones among them."""
EXTREME = (1e-30, 1e-12, 1e-6, 1e-3, 30.0, 1e3, 7e4)


class Graph:
    """A graph that grows: nodes, weights, and the shape [C, H, W] or [C] of each tensor that may be used further."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[NodeProto] = []
        self.weights: dict[str, Values] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}

    def node(self, operator: str, inputs: list[str], shape: tuple[int, ...], **attributes: Any) -> str:
        """Append a node; its output's name."""
        name = f"{operator.lower()}_{len(self.nodes)}"
        label = "" if self.chance(0.05) else f"net/{name}"  # nodes need no name
        self.nodes.append(helper.make_node(operator, inputs, [name], label, **attributes))
        self.shapes[name] = shape
        return name

    def weight(self, values: Values | list[int] | float, dtype: Any = np.float32) -> str:
        """A constant: an initializer, or now and then a node."""
        name = f"w{len(self.weights) + len(self.nodes)}"
        array = np.asarray(values, dtype)
        if self.chance(0.1):
            self.nodes.append(helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array, name)))
        else:
            self.weights[name] = array
        return name

    def chance(self, share: float) -> bool:
        """Whether it happens."""
        return bool(self.random.random() < share)

    def one_of(self, items: Any) -> Any:
        """One of them."""
        return items[int(self.random.integers(len(items)))]

    def kernel(self, *shape: int) -> Values:
        """Weights of a usual size: normal, with heavy tails, one channel much larger, or some of zeros."""
        kind = self.one_of(("normal", "normal", "normal", "tails", "outlier", "zeros"))
        drawn = self.random.standard_t(2, shape) if kind == "tails" else self.random.normal(size=shape)
        values = drawn * (2 / math.prod(shape[1:])) ** 0.5
        if kind == "outlier":
            values[0] *= 50
        if kind == "zeros":
            values[: max(1, len(values) // 3)] = 0
        return np.asarray(values, np.float32)

    def vector(self, size: int) -> Values:
        """One value a channel."""
        return np.asarray(self.random.normal(0, 0.5, size), np.float32)


def conv(graph: Graph, tensor: str) -> str:
    """A Conv: plain, dilated, strided, in groups or by channel, with and without a bias."""
    channels, height, width = graph.shapes[tensor]
    groups = graph.one_of((1, 1, 1, channels, *(size for size in (2, 3) if channels % size == 0)))
    size, stride = graph.one_of((1, 3, 3, 5)), graph.one_of((1, 1, 2)) if height > 4 else 1
    dilation = 2 if size == 3 and graph.chance(0.1) else 1
    out = groups * graph.one_of((1, 2)) if groups > 1 else graph.one_of(SIZES)
    inputs = [tensor, graph.weight(graph.kernel(out, channels // groups, size, size))]
    if graph.chance(0.6):
        inputs.append(graph.weight(graph.vector(out)))
    around = dilation * (size // 2)
    shape = (out, (height - 1) // stride + 1, (width - 1) // stride + 1)
    settings = {"strides": [stride] * 2, "dilations": [dilation] * 2, "group": groups}
    return graph.node("Conv", inputs, shape, pads=[around] * 4, **settings)


def batch_norm(graph: Graph, tensor: str) -> str:
    """A batch norm by itself; now and then with a variance of nearly nothing."""
    shape = graph.shapes[tensor]
    variance = graph.random.uniform(0.3, 2, shape[0])
    if graph.chance(0.15):
        variance[0] = graph.one_of((0.0, 1e-9, 1e4))
    values = 1 + graph.vector(shape[0]), graph.vector(shape[0]), graph.vector(shape[0]), variance
    return graph.node("BatchNormalization", [tensor, *map(graph.weight, values)], shape, epsilon=1e-3)


def activation(graph: Graph, tensor: str) -> str:
    """One that networks have, swish and its like spelt out."""
    shape = graph.shapes[tensor]
    kind = graph.one_of(("Relu", "Relu", "Relu", "relu6", "swish", "HardSwish", "LeakyRelu", "Tanh", "Elu", "gelu"))
    if kind == "relu6":
        return graph.node("Clip", [tensor, graph.weight(0.0), graph.weight(6.0)], shape)
    if kind == "swish":
        return graph.node("Mul", [tensor, graph.node("Sigmoid", [tensor], shape)], shape)
    if kind == "gelu":
        half = graph.node("Mul", [tensor, graph.weight(0.5)], shape)
        erf = graph.node("Erf", [graph.node("Div", [tensor, graph.weight(2**0.5)], shape)], shape)
        return graph.node("Mul", [half, graph.node("Add", [erf, graph.weight(1.0)], shape)], shape)
    return graph.node(kind, [tensor], shape)


def residual(graph: Graph, tensor: str) -> str:
    """The sum with an earlier tensor of its shape, which may be itself."""
    shape = graph.shapes[tensor]
    alike = [name for name, each in graph.shapes.items() if each == shape]
    return graph.node("Add", [tensor, graph.one_of(alike)], shape)


def concat(graph: Graph, tensor: str) -> str:
    """Beside an earlier tensor of its height and width."""
    channels, *rest = graph.shapes[tensor]
    fitting = [name for name, each in graph.shapes.items() if list(each[1:]) == rest and len(each) == 3]
    other = graph.one_of(fitting)
    return graph.node("Concat", [tensor, other], (channels + graph.shapes[other][0], *rest), axis=1)


def constant(graph: Graph, tensor: str) -> str:
    """Times or plus a constant, of one value or one a channel; now and then a tiny or a huge one."""
    shape = graph.shapes[tensor]
    operator = graph.one_of(("Mul", "Add", "Sub", "Div"))
    values = graph.random.uniform(0.5, 2, (shape[0], 1, 1)) if graph.chance(0.5) else graph.random.uniform(0.5, 2)
    if graph.chance(0.15):
        values = values * graph.one_of(EXTREME if operator in ("Add", "Sub") else (1e-3, 30.0))
    return graph.node(operator, [tensor, graph.weight(values)], shape)


def squeeze_excite(graph: Graph, tensor: str) -> str:
    """Times a gate made of the channels' means."""
    shape = graph.shapes[tensor]
    mean = graph.node("GlobalAveragePool", [tensor], (shape[0], 1, 1))
    gate = graph.node("Conv", [mean, graph.weight(graph.kernel(shape[0], shape[0], 1, 1))], (shape[0], 1, 1))
    return graph.node(
        "Mul", [tensor, graph.node(graph.one_of(("Sigmoid", "HardSigmoid")), [gate], (shape[0], 1, 1))], shape
    )


def pool(graph: Graph, tensor: str) -> str:
    """A maximum or mean over 2 x 2, or over 3 x 3 without a stride."""
    channels, height, width = graph.shapes[tensor]
    operator = graph.one_of(("MaxPool", "AveragePool"))
    if height < 4 or graph.chance(0.3):
        return graph.node(operator, [tensor], (channels, height, width), kernel_shape=[3, 3], pads=[1] * 4)
    shape = (channels, height // 2, width // 2)
    return graph.node(operator, [tensor], shape, kernel_shape=[2, 2], strides=[2, 2])


def layer_norm(graph: Graph, tensor: str) -> str:
    """Over channels, spelt out as older exports do, or as one node."""
    channels, height, width = graph.shapes[tensor]
    last = graph.node("Transpose", [tensor], (height, width, channels), perm=[0, 2, 3, 1])
    scale, bias = graph.weight(1 + graph.vector(channels)), graph.weight(graph.vector(channels))
    shape = (height, width, channels)
    if graph.chance(0.5):
        normal = graph.node("LayerNormalization", [last, scale, bias], shape, axis=-1, epsilon=1e-6)
    else:
        normal = _spelt_out(graph, last, shape, scale, bias)
    for name in (last, normal):
        graph.shapes.pop(name)  # of another layout than the others
    return graph.node("Transpose", [normal], (channels, height, width), perm=[0, 3, 1, 2])


def _spelt_out(graph: Graph, tensor: str, shape: tuple[int, ...], scale: str, bias: str) -> str:
    own = set(graph.shapes)
    axes = graph.weight([-1], np.int64)
    centred = graph.node("Sub", [tensor, graph.node("ReduceMean", [tensor, axes], shape)], shape)
    squared = graph.node("Mul", [centred, centred], shape)
    variance = graph.node("ReduceMean", [squared, axes], shape)
    root = graph.node("Sqrt", [graph.node("Add", [variance, graph.weight(1e-6)], shape)], shape)
    scaled = graph.node("Mul", [graph.node("Div", [centred, root], shape), scale], shape)
    result = graph.node("Add", [scaled, bias], shape)
    for name in set(graph.shapes) - own - {result}:
        graph.shapes.pop(name)
    return result


def shared(graph: Graph, tensor: str) -> str:
    """Two Convs with one kernel, one after the other."""
    channels, height, width = graph.shapes[tensor]
    kernel = graph.weight(graph.kernel(channels, channels, 3, 3) / 2)
    for _ in range(2):
        tensor = graph.node("Conv", [tensor, kernel], (channels, height, width), pads=[1] * 4)
    return tensor


def softmax(graph: Graph, tensor: str) -> str:
    """Over channels, as attention has it: times the tensor itself."""
    shape = graph.shapes[tensor]
    return graph.node("Mul", [tensor, graph.node("Softmax", [tensor], shape, axis=1)], shape)


def dead(graph: Graph, tensor: str) -> str:
    """A branch that leads nowhere, and a weight that nothing reads."""
    conv(graph, tensor)
    graph.shapes.popitem()
    graph.weights[f"unused{len(graph.nodes)}"] = graph.vector(3)
    return tensor


LAYERS: tuple[Callable[[Graph, str], str], ...] = (
    conv, conv, conv, conv, batch_norm, activation, activation, activation, residual, residual, concat, constant,
    squeeze_excite, pool, layer_norm, shared, softmax, dead,
)  # fmt: skip
