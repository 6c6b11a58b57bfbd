"""What a graph computes from shapes alone, written down.

Converters read the batch out of each tensor that they reshape. A small network spends more time on that than on its
products, and what it computes so is no constant to any rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from roundoff.graph.fixed import Constants, fixed_graph, known_shapes
from roundoff.graph.inside import bodies, drop_unread

BATCHES = (1, 2, 3)
"""What is the same at these batch sizes, or grows as they do, does so at any."""
FEW_BYTES = 1024
"""What is larger is no shape, and is left to be computed."""
Values = NDArray[np.generic]


@dataclass(frozen=True)
class _AtBatch:
    """What is known of a graph at one batch size."""

    constants: Constants
    shapes: dict[str, tuple[int, ...]]

    @classmethod
    def of(cls, model: onnx.ModelProto, batch: int) -> _AtBatch:
        fixed, constants = fixed_graph(model, batch)
        return cls(constants, known_shapes(fixed, constants))


def written_shapes(model: onnx.ModelProto) -> None:
    """Put constants, in place, for what depends on the batch size alone: what is the same at each, Reshapes' targets.

    A target has -1 where its tensor grows with the batch. What a loop's body reads is left as it is.
    """
    graph = model.graph
    if not any(node.op_type in ("Shape", "Size") for node in graph.node):
        return
    light = _without_weights(model)
    at_each = [_AtBatch.of(light, batch) for batch in BATCHES]
    stored = {tensor.name for tensor in graph.initializer}
    computed = set.intersection(*(set(known.constants) for known in at_each)) - stored
    written: dict[str, Values] = {}
    for node in graph.node:
        if computed.issuperset(node.output) or bodies(node):
            continue
        for place, name in enumerate(node.input):
            if name not in computed:
                continue
            target = f"{node.output[0]}/target" if node.op_type == "Reshape" and place == 1 else ""
            value = _target(node, at_each) if target else _same([known.constants[name] for known in at_each])
            if value is not None:
                node.input[place] = target or f"{name}/written"
                written[node.input[place]] = value
    graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in written.items())
    drop_unread(graph)


def _without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose larger initializers are inputs: their shapes are all that is asked."""
    light = onnx.ModelProto()
    light.CopyFrom(model)
    graph = light.graph
    large = [tensor for tensor in graph.initializer if tensor.external_data or len(tensor.raw_data) > FEW_BYTES]
    for tensor in large:
        graph.initializer.remove(tensor)
        graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))
    return light


def _same(values: Sequence[Values]) -> Values | None:
    first = values[0]
    alike = all(value.dtype == first.dtype and np.array_equal(value, first) for value in values)
    return first if alike and first.nbytes <= FEW_BYTES else None


def _target(node: onnx.NodeProto, at_each: Sequence[_AtBatch]) -> Values | None:
    """The shape of what a Reshape gives, -1 in the one place that grows as the batch does; None for any other."""
    shapes = [known.shapes.get(node.output[0], ()) for known in at_each]
    if not shapes[0] or len({len(shape) for shape in shapes}) > 1 or 0 in shapes[0]:
        return None
    table = np.array(shapes, np.int64)
    growing = np.flatnonzero((table != table[0]).any(axis=0))
    target: NDArray[np.int64] = table[0].copy()
    if len(growing) == 0:
        return target
    place = int(growing[0])
    if len(growing) > 1 or not np.array_equal(table[:, place], table[0, place] * np.array(BATCHES)):
        return None
    target[place] = -1
    return target
