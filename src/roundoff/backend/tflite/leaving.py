"""Which operators of a .tflite model stay in float32: what prepares the pixels, and what the precision leaves out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from roundoff.backend.tflite.matching import TOLERANCE
from roundoff.backend.tflite.observing import MULTIPLIERS
from roundoff.export.tflite_graph import TfliteGraph
from roundoff.graph.difference import relative_error
from roundoff.graph.queries import WEIGHTED, constants
from roundoff.precision.base import Precision

POOLING = ("AVERAGE_POOL_2D", "MEAN", "RESHAPE", "SQUEEZE", "SUM")
TYPES = {
    "Conv": ("CONV_2D", "DEPTHWISE_CONV_2D"),
    "ConvTranspose": ("TRANSPOSE_CONV",),
    "Gemm": ("FULLY_CONNECTED",),
    "MatMul": ("FULLY_CONNECTED", "BATCH_MATMUL"),
    "Add": ("ADD",),
}


def left_in_float(graph: TfliteGraph, precision: Precision) -> list[Any]:
    """The operators before the first one with a weight, and those that the precision's switches leave out.

    The pooling in front of a last layer that is left out is, too.
    """
    multipliers = [each for each in graph.operators if graph.operator(each) in MULTIPLIERS]
    left = _before(graph, multipliers[0]) if multipliers else []
    left += multipliers[:1] if not getattr(precision, "first_layer", True) else []
    left += _last(graph, multipliers[-1]) if multipliers and not getattr(precision, "last_layer", True) else []
    if not getattr(precision, "residual", True):
        left += [each for each in graph.operators if _adds_activations(graph, each)]
    types = {name for kind in getattr(precision, "exclude_types", ()) for name in TYPES.get(kind, ())}
    return left + [each for each in graph.operators if graph.operator(each) in types]


def excluded(
    graph: TfliteGraph, model: onnx.ModelProto, patterns: Sequence[str], names: Mapping[str, str]
) -> tuple[list[Any], list[str]]:
    """The operators that the ONNX nodes of those names are, and the patterns that name none.

    `patterns` are names (with * and ?) of nodes or of tensors that they take, `names` the ONNX names of activations.
    """
    operators, idle, known = list[Any](), list[str](), constants(model)
    for pattern in patterns:
        nodes = [node for node in model.graph.node if _named(node, pattern)]
        those = [each for node in nodes for each in _operators_of(graph, node, names, known)]
        operators += those
        idle += [] if those else [pattern]
    return operators, idle


def _last(graph: TfliteGraph, multiplier: Any) -> list[Any]:
    """The last layer and the pooling in front of it: in 8 bits the means of a few channels would hardly differ."""
    makers = {int(tensor): each for each in graph.operators for tensor in each.outputs}
    last, before = [multiplier], makers.get(int(multiplier.inputs[0]))
    while before is not None and graph.operator(before) in POOLING:
        last.append(before)
        before = makers.get(int(before.inputs[0]))
    return last


def _before(graph: TfliteGraph, first: Any) -> list[Any]:
    operators = graph.operators
    return operators[: next(number for number, each in enumerate(operators) if each is first)]


def _adds_activations(graph: TfliteGraph, operator: Any) -> bool:
    return graph.operator(operator) == "ADD" and all(graph.constant(int(each)) is None for each in operator.inputs)


def _named(node: onnx.NodeProto, pattern: str) -> bool:
    known = node.op_type in (*WEIGHTED, "Add")
    return known and any(fnmatchcase(name, pattern) for name in (node.name, *list(node.input)[:2]))


def _operators_of(
    graph: TfliteGraph, node: onnx.NodeProto, names: Mapping[str, str], known: Mapping[str, NDArray[np.generic]]
) -> Iterator[Any]:
    """The operators of the node's kind that read its activation, and its weight or other activation."""
    for each in graph.operators:
        if graph.operator(each) not in TYPES[node.op_type]:
            continue
        read = {names.get(graph.name(int(tensor))) for tensor in each.inputs if int(tensor) >= 0}
        others = [name for name in list(node.input)[:2] if name not in known]
        weights = [known[name] for name in list(node.input)[:2] if name in known]
        if read.issuperset(others) and all(_has(graph, each, weight) for weight in weights):
            yield each


def _has(graph: TfliteGraph, operator: Any, weight: NDArray[np.generic]) -> bool:
    """Whether one of the operator's constants has the weight's values, in whatever order."""
    wanted = np.sort(weight, axis=None)
    held = (graph.constant(int(tensor)) for tensor in operator.inputs)
    return any(
        one is not None and one.size == wanted.size and relative_error(np.sort(one, axis=None), wanted) <= TOLERANCE
        for one in held
    )
