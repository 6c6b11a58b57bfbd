"""Which layers of a built ONNX graph multiply in 8 bits, by a count that is fair to every tool.

A layer has a weight. Left out are products of two activations, which have none (in 8 bits they cost agreement and gain
no time: docs/zoo.md), and scales by channel that were written as Convs. The last layer is left aside in all graphs,
since `last_layer` decides about ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import onnx

from roundoff.backend.onnxrt.layers import MULTIPLIERS

PASSING = ("DequantizeLinear", "QuantizeLinear", "Cast", "Transpose", "Reshape", "Identity")
EIGHT_BITS = (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)


def inner_layers(path: Path) -> tuple[int, int]:
    """How many layers but the last there are in a built graph, and how many of them multiply in 8 bits."""
    found = list(_in_8_bits(onnx.load(path).graph))[:-1]
    return len(found), sum(found)


def _in_8_bits(graph: onnx.GraphProto) -> Iterator[bool]:
    """Of each layer, in the order of the graph, whether its weight is multiplied in 8 bits."""
    stored = {tensor.name: tensor for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        if node.op_type in MULTIPLIERS:
            name = node.input[MULTIPLIERS[node.op_type]]
            weight = _weight(name, stored, makers)
            if weight is not None and not _scales_channels(node, weight):
                yield name in stored and weight.data_type in EIGHT_BITS


def _weight(name: str, stored: Mapping[str, onnx.TensorProto], makers: Mapping[str, onnx.NodeProto]) -> Any:
    """The constant behind what is multiplied with; None for an activation."""
    while name not in stored:
        maker = makers.get(name)
        if maker is None or maker.op_type not in PASSING:
            return None
        name = maker.input[0]
    return stored[name]


def _scales_channels(node: onnx.NodeProto, weight: onnx.TensorProto) -> bool:
    """Whether it is a 1 × 1 Conv of each channel by itself."""
    groups = next((each.i for each in node.attribute if each.name == "group"), 1)
    shape = list(weight.dims)
    return groups > 1 and shape[0] == groups and set(shape[1:]) == {1}
