"""The same network with activations whose channels differ so much that 8 bits for all of them are too few.

In each pair of Convs with nothing but a Relu between, one channel is FACTOR times as large, and the second Conv takes
it with weights that are as much smaller: the answers are those of before. Batch norms that were folded into depthwise
convolutions leave such channels (Nagel et al., ICCV 2019, "Data-free quantization through weight equalization").
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import numpy_helper

from roundoff.graph.links import Links
from roundoff.graph.reading import seal

FACTOR = 128.0


def uneven(model: onnx.ModelProto, factor: float = FACTOR) -> onnx.ModelProto:
    """A copy in which the first channel between each pair is `factor` times as large; ValueError without a pair."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    pairs = list(_pairs(copy))
    if not pairs:
        raise ValueError("no Conv is read by another alone, by way of a Relu")
    for first, second in pairs:
        for name in first.input[1:]:
            _scale(copy, name, 0, factor)
        _scale(copy, second.input[1], 1, 1 / factor)
    seal(copy)
    return copy


def _pairs(model: onnx.ModelProto) -> Iterator[tuple[onnx.NodeProto, onnx.NodeProto]]:
    links = Links.of(model)
    for node in links.nodes:
        relu = links.readers.get(node.output[0], [])
        behind = links.readers.get(relu[0].output[0], []) if len(relu) == 1 and relu[0].op_type == "Relu" else []
        if node.op_type == "Conv" and [each.op_type for each in behind] == ["Conv"]:
            yield node, behind[0]


def _scale(model: onnx.ModelProto, name: str, axis: int, factor: float) -> None:
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    values = numpy_helper.to_array(tensor).copy()
    values.swapaxes(0, axis)[0] *= np.float32(factor)
    tensor.CopyFrom(numpy_helper.from_array(values, name))
