"""Means over height and width, written as the operator that has an 8-bit kernel."""

from __future__ import annotations

import numpy as np
import onnx

from roundoff.graph.queries import constants, shapes

RANK = 4


def with_global_pooling(graph: onnx.GraphProto, model: onnx.ModelProto) -> None:
    """Make each ReduceMean over H and W of a map [N, C, H, W] in `graph` that keeps both a GlobalAveragePool.

    `model` is what the graph belongs to or was copied from.
    """
    known, sizes = constants(model), shapes(model)
    for node in graph.node:
        if node.op_type != "ReduceMean" or len(sizes.get(node.input[0], ())) != RANK:
            continue
        given = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
        axes = known.get(node.input[1]) if len(node.input) > 1 else given.get("axes")
        spatial = axes is not None and sorted(int(axis) % RANK for axis in np.ravel(axes)) == [2, 3]
        if spatial and given.get("keepdims", 1):
            name, taken, output = node.name, node.input[0], node.output[0]
            node.CopyFrom(onnx.helper.make_node("GlobalAveragePool", [taken], [output], name))
