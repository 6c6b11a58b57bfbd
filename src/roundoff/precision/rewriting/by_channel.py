"""A scale and an offset for each channel, such as a batch norm that no Conv took up, as a Conv of one number a channel.

Integer kernels hold such a Conv's weights and bias without error, and fold the ReLU that follows. As Mul and Add they
would round each channel's number to a grid of all channels, or go by way of floats.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from roundoff.graph.links import CHAINED, FOLDED, MOVING, Links
from roundoff.graph.queries import WEIGHTED
from roundoff.precision.rewriting.pooling import with_global_pooling

Floats = NDArray[np.float32]
IN_8_BITS = (*WEIGHTED, *CHAINED, *FOLDED, *MOVING, "BatchNormalization")
"""Operators that may give 8 bits: behind any other one, another pair would have to stand."""


@dataclass(frozen=True)
class _Scaling:
    """What stands there: the tensors that go in and come out, the nodes, and a number of each kind a channel."""

    taken: str
    nodes: list[onnx.NodeProto]
    scale: Floats
    offset: Floats


def as_convolutions(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of the model with each such pair of nodes as one Conv, which gives the tensor of the same name.

    Means over height and width are global pooling there, which has an 8-bit kernel, too.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    with_global_pooling(copy.graph, model)
    for scaling in _scalings(Links.of(model)):
        _replace(copy.graph, scaling)
    return copy


def _scalings(links: Links) -> list[_Scaling]:
    scalings: list[_Scaling] = []
    used: set[str] = set()
    behind = _behind_weights(links)
    for node in links.nodes:
        taken = links.taken(node)
        if node.output[0] in used or len(taken) != 1 or taken[0] not in behind or not _gives_8_bits(links, taken[0]):
            continue
        scaling = _normalization(links, node) or _products_and_sums(links, node)
        if scaling is not None:
            scalings.append(scaling)
            used.update(each.output[0] for each in scaling.nodes)
    return scalings


def _behind_weights(links: Links) -> set[str]:
    """Tensors that depend on a weighted node: what comes before is the pixels' own scaling."""
    behind: set[str] = set()
    for node in links.nodes:
        if node.op_type in WEIGHTED or behind.intersection(node.input):
            behind.update(node.output)
    return behind


def _gives_8_bits(links: Links, name: str) -> bool:
    return name in links.makers and links.makers[name].op_type in IN_8_BITS


def _products_and_sums(links: Links, node: onnx.NodeProto) -> _Scaling | None:
    """A Mul by channel, an Add by channel, or one behind the other."""
    first = _by_channel(links, node)
    if first is None:
        return None
    taken = links.taken(node)[0]
    if node.op_type == "Add":
        return _Scaling(taken, [node], np.ones_like(first), first)
    readers = links.readers.get(node.output[0], [])
    after = readers[0] if len(readers) == 1 and node.output[0] not in links.outputs else None
    offset = _by_channel(links, after) if after is not None and after.op_type == "Add" else None
    if after is None or offset is None or offset.shape != first.shape:
        return _Scaling(taken, [node], first, np.zeros_like(first))
    return _Scaling(taken, [node, after], first, offset)


def _by_channel(links: Links, node: onnx.NodeProto) -> Floats | None:
    """The numbers, [C], that a Mul or Add has for the channels of a map [N, C, H, W]."""
    if node.op_type not in ("Mul", "Add"):
        return None
    values = next((links.known[name] for name in node.input if name in links.known), np.empty(0))
    shape = (1,) * (4 - values.ndim) + values.shape
    channels = values.ndim >= 3 and len(shape) == 4 and shape == (1, values.size, 1, 1) and values.size > 1
    return values.astype(np.float32).reshape(-1) if channels else None


def _normalization(links: Links, node: onnx.NodeProto) -> _Scaling | None:
    if node.op_type != "BatchNormalization" or any(name not in links.known for name in list(node.input)[1:5]):
        return None
    gamma, beta, mean, variance = (links.known[name].astype(np.float64) for name in list(node.input)[1:5])
    epsilon = next((a.f for a in node.attribute if a.name == "epsilon"), 1e-5)
    scale = gamma / np.sqrt(variance + epsilon)
    return _Scaling(node.input[0], [node], scale.astype(np.float32), (beta - mean * scale).astype(np.float32))


def _replace(graph: onnx.GraphProto, scaling: _Scaling) -> None:
    last = scaling.nodes[-1]
    name = last.output[0]
    weight, bias = f"{name}/by_channel", f"{name}/offset"
    graph.initializer.append(numpy_helper.from_array(scaling.scale.reshape(-1, 1, 1, 1), weight))
    graph.initializer.append(numpy_helper.from_array(scaling.offset, bias))
    inputs = [scaling.taken, weight, bias]
    conv = helper.make_node("Conv", inputs, [name], last.name, group=len(scaling.scale), kernel_shape=[1, 1])
    gone = {node.output[0] for node in scaling.nodes}
    place = next(place for place, node in enumerate(graph.node) if node.output[0] in gone)
    for node in [node for node in graph.node if node.output[0] in gone]:
        graph.node.remove(node)
    graph.node.insert(place, conv)
