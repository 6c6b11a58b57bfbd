"""A scale and an offset for each channel, such as a batch norm that no Conv took up, as a Conv of one number a channel.

Integer kernels hold such a Conv's weights and bias without error, and fold the ReLU that follows. As Mul and Add they
would round each channel's number to a grid of all channels, or go by way of floats. What stands behind a Concat is one
Conv for each of its parts: their channels differ (a DenseNet's by a factor of 20), a grid of all would be coarse for
most, and the scale enlarges what it rounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from roundoff.graph.links import CHAINED, FOLDED, MOVING, Links
from roundoff.graph.queries import WEIGHTED, shapes
from roundoff.precision.rewriting.pooling import with_global_pooling

Floats = NDArray[np.float32]
IN_8_BITS = (*WEIGHTED, *CHAINED, *FOLDED, *MOVING, "BatchNormalization")
"""Operators that may give 8 bits: behind any other one, another pair would have to stand."""
MOST_PARTS = 8
"""Each is a kernel of its own, which is started in every run."""


@dataclass(frozen=True)
class _Scaling:
    """What stands there: the tensor that goes in, the nodes, and a number of each kind a channel.

    `parts` are the tensors, with their channels, that the one that goes in is joined of; `ends` the Relu or Clip that
    comes next, where there are several.
    """

    taken: str
    nodes: list[onnx.NodeProto]
    scale: Floats
    offset: Floats
    parts: Sequence[tuple[str, int]] = ()
    ends: Sequence[onnx.NodeProto] = ()


def as_convolutions(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of the model with each such pair of nodes as one Conv, which gives the tensor of the same name.

    Means over height and width are global pooling there, which has an 8-bit kernel, too.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    with_global_pooling(copy.graph, model)
    links, channels = Links.of(copy), _channels(copy)
    made = onnx.ModelProto()
    made.CopyFrom(copy)
    for scaling in _scalings(links):
        _replace(made.graph, _of_parts(links, scaling, channels))
    _drop_unread_concats(made.graph)
    return made


def _channels(model: onnx.ModelProto) -> dict[str, int]:
    """Of each map."""
    return {name: shape[1] for name, shape in shapes(model).items() if len(shape) == 4 and shape[1] > 0}


def _of_parts(links: Links, scaling: _Scaling, channels: Mapping[str, int]) -> _Scaling:
    """The scaling with its parts, and with what ends it where there are several."""
    parts = list(_parts(links, scaling.taken))
    whole = not 1 < len(parts) <= MOST_PARTS
    if whole or any(name not in channels or not _gives_8_bits(links, name) for name in parts):
        return replace(scaling, parts=[(scaling.taken, len(scaling.scale))])
    name = scaling.nodes[-1].output[0]
    settled = links.settled(name)
    ends = [links.makers[settled]] if settled != name else []
    return replace(scaling, parts=[(name, channels[name]) for name in parts], ends=ends)


def _parts(links: Links, name: str) -> Iterator[str]:
    """What a map is joined of, by channel; Concats of Concats are seen through."""
    maker = links.makers.get(name)
    if maker is not None and maker.op_type == "Concat" and maker.attribute[0].i in (1, -3):
        for part in maker.input:
            yield from _parts(links, part)
    else:
        yield name


def _drop_unread_concats(graph: onnx.GraphProto) -> None:
    read = {value.name for value in graph.output}
    for node in reversed(list(graph.node)):
        if node.op_type == "Concat" and node.output[0] not in read:
            graph.node.remove(node)
        else:
            read.update(node.input)


def _scalings(links: Links) -> list[_Scaling]:
    scalings: list[_Scaling] = []
    used: set[str] = set()
    behind, before = _behind_weights(links), _before_layers(links)
    for node in links.nodes:
        taken = links.taken(node)
        if node.output[0] in used or len(taken) != 1 or taken[0] not in behind or not _gives_8_bits(links, taken[0]):
            continue
        scaling = _normalization(links, node) or _products_and_sums(links, node)
        if scaling is not None and scaling.nodes[-1].output[0] in before:
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


def _before_layers(links: Links) -> set[str]:
    """Tensors that a layer, the last one aside, reads in 8 bits: a pair behind any other would gain nothing."""
    weighted = [node.output[0] for node in links.nodes if node.op_type in WEIGHTED]
    before: set[str] = set()
    for node in reversed(links.nodes):
        if node.op_type in WEIGHTED:
            before.update(node.input if node.output[0] != weighted[-1] else [])
        elif node.op_type in IN_8_BITS and before.intersection(node.output):
            before.update(node.input)
    return before


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
    """Convs in place of the nodes: one for each part of what a Concat joins, since its own grid is finer."""
    gone = {node.output[0] for node in (*scaling.nodes, *scaling.ends)}
    place = next(place for place, node in enumerate(graph.node) if node.output[0] in gone)
    for node in [node for node in graph.node if node.output[0] in gone]:
        graph.node.remove(node)
    made = _joined(graph, scaling) if len(scaling.parts) > 1 else [_conv(graph, scaling, scaling.nodes[-1].output[0])]
    for node in reversed(made):
        graph.node.insert(place, node)


def _joined(graph: onnx.GraphProto, scaling: _Scaling) -> list[onnx.NodeProto]:
    """A Conv for each part, the Relu or Clip behind each, and a Concat of all."""
    last = (*scaling.nodes, *scaling.ends)[-1]
    made, names, start = list[onnx.NodeProto](), list[str](), 0
    for number, (taken, count) in enumerate(scaling.parts):
        own = slice(start, start := start + count)
        part = replace(scaling, parts=[(taken, count)], scale=scaling.scale[own], offset=scaling.offset[own])
        name = f"{scaling.nodes[-1].output[0]}/part_{number}"
        made.append(_conv(graph, part, name))
        for node in scaling.ends:
            folded = onnx.NodeProto()
            folded.CopyFrom(node)
            folded.name, folded.input[0], folded.output[0] = f"{node.name}/part_{number}", name, f"{name}/folded"
            made.append(folded)
            name = folded.output[0]
        names.append(name)
    return [*made, helper.make_node("Concat", names, [last.output[0]], last.name, axis=1)]


def _conv(graph: onnx.GraphProto, scaling: _Scaling, name: str) -> onnx.NodeProto:
    weight, bias = f"{name}/by_channel", f"{name}/offset"
    graph.initializer.append(numpy_helper.from_array(scaling.scale.reshape(-1, 1, 1, 1), weight))
    graph.initializer.append(numpy_helper.from_array(scaling.offset, bias))
    inputs = [scaling.parts[0][0], weight, bias]
    return helper.make_node("Conv", inputs, [name], name, group=len(scaling.scale), kernel_shape=[1, 1])
