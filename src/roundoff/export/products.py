"""Products of sequences without the detour by way of a matrix that tf2onnx makes for each."""

from __future__ import annotations

from collections import Counter

import onnx

from roundoff.graph.inside import read_inside

Sizes = dict[str, list[int]]


def whole_sequences(model: onnx.ModelProto) -> None:
    """Multiply [N, …, K] by a weight [K, M] as it is, in place, where a Reshape to [-1, K] and one back are around it.

    The model's shapes must be inferred.
    """
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer if len(tensor.dims) == 2}
    values = (*graph.input, *graph.value_info, *graph.output)
    sizes = {value.name: [size.dim_value for size in value.type.tensor_type.shape.dim] for value in values}
    reads = Counter(name for node in graph.node for name in node.input)
    reads.update([value.name for value in graph.output] + list(read_inside(graph)))
    reshapes = [node for node in graph.node if node.op_type == "Reshape"]
    makers = {node.output[0]: node for node in reshapes if reads[node.output[0]] == 1}
    readers = {node.input[0]: node for node in reshapes if reads[node.input[0]] == 1}
    for product in [node for node in graph.node if node.op_type == "MatMul" and node.input[1] in weights]:
        before, after = makers.get(product.input[0]), readers.get(product.output[0])
        if before and after and _fits(sizes, before, after):
            product.input[0], product.output[0] = before.input[0], after.output[0]
            graph.node.remove(before)
            graph.node.remove(after)


def _fits(sizes: Sizes, before: onnx.NodeProto, after: onnx.NodeProto) -> bool:
    """Whether the rows of the matrix are the sequence's last axis, on both sides; the batch may be open."""
    given, rows, back = (sizes.get(name, []) for name in (before.input[0], before.output[0], after.output[0]))
    known = len(given) > 2 and len(rows) == 2 and all(given[1:]) and all(back[1:])
    return known and len(back) == len(given) and back[1:-1] == given[1:-1] and rows[1] == given[-1]
