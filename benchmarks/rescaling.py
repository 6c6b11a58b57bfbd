"""Networks that answer as before, with other magnitudes between two Convs: what narrow types make of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from roundoff.graph.links import Links

Pair = tuple[onnx.NodeProto, onnx.NodeProto]


def pairs(model: onnx.ModelProto) -> list[Pair]:
    """Convs that another Conv alone reads, by way of a Relu, with that one; ValueError where there is none."""
    found = list(_pairs(model))
    if not found:
        raise ValueError("no Conv is read by another alone, by way of a Relu")
    return found


def rescale(model: onnx.ModelProto, pair: Pair, factors: NDArray[np.float32]) -> None:
    """Have the first Conv give `factors` times as much, float32 [channels], and the second take it the smaller."""
    first, second = pair
    for name in first.input[1:]:
        _multiply(model, name, factors, 0)
    _multiply(model, second.input[1], np.float32(1) / factors, 1)


def channels(model: onnx.ModelProto, conv: onnx.NodeProto) -> int:
    """How many a Conv gives."""
    return int(_tensor(model, conv.input[1]).dims[0])


def _pairs(model: onnx.ModelProto) -> Iterator[Pair]:
    links = Links.of(model)
    for node in links.nodes:
        relu = links.readers.get(node.output[0], [])
        behind = links.readers.get(relu[0].output[0], []) if len(relu) == 1 and relu[0].op_type == "Relu" else []
        if node.op_type == "Conv" and [each.op_type for each in behind] == ["Conv"]:
            yield node, behind[0]


def _multiply(model: onnx.ModelProto, name: str, factors: NDArray[np.float32], axis: int) -> None:
    tensor = _tensor(model, name)
    values = numpy_helper.to_array(tensor)
    along = factors.reshape([-1 if place == axis else 1 for place in range(values.ndim)])
    tensor.CopyFrom(numpy_helper.from_array((values * along).astype(values.dtype), name))


def _tensor(model: onnx.ModelProto, name: str) -> onnx.TensorProto:
    found: onnx.TensorProto = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    return found
