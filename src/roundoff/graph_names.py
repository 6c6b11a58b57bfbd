"""Names for an ONNX graph's nodes and tensors that depend on the Keras layers alone, not on a converter's counters."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx


def name_by_layer(model: onnx.ModelProto, layers: Collection[str]) -> None:
    """Rename, in place, every node to LAYER/OPERATOR and every tensor after the node it comes from.

    Initializers are named after their first reader and the operator's own word for that input, such as
    `stem_conv/Conv/W`. The graph's inputs and outputs keep their names. The order of initializers becomes that of
    their names.
    """
    graph = model.graph
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    constants = {tensor.name for tensor in graph.initializer}
    names = {value.name: value.name for value in (*graph.input, *graph.output)}
    for node, label in zip(graph.node, list(_node_names(graph, layers)), strict=True):
        for name, role in zip(node.input, _input_roles(node, opset), strict=True):
            if name in constants:
                names.setdefault(name, f"{label}/{role}")
        for number, name in enumerate(node.output):
            names.setdefault(name, label if number == 0 else f"{label}:{number}")
        node.name, node.doc_string = label, ""
    _apply(graph, names)


def _node_names(graph: onnx.GraphProto, layers: Collection[str]) -> Iterator[str]:
    seen: Counter[str] = Counter()
    constants = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        # A folded convolution is named by a counter, but its weights still carry their layer's name.
        weights = [name for name in node.input if name in constants] if node.op_type == "Conv" else []
        label = f"{_layer((*weights, node.name, *node.output), layers)}/{node.op_type}"
        seen[label] += 1
        yield label if seen[label] == 1 else f"{label}_{seen[label]}"


def _layer(candidates: tuple[str, ...], layers: Collection[str]) -> str:
    for candidate in candidates:
        for part in candidate.split("/"):
            # TensorFlow appends a number to a scope that it has seen before.
            for name in (part, re.sub(r"_\d+$", "", part)):
                if name in layers:
                    return name
    return "graph"


def _input_roles(node: onnx.NodeProto, opset: int) -> list[str]:
    import onnx

    formal = [parameter.name for parameter in onnx.defs.get_schema(node.op_type, opset, node.domain).inputs]
    return [formal[min(number, len(formal) - 1)] for number in range(len(node.input))]


def _apply(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    initializers = sorted(graph.initializer, key=lambda tensor: names.get(tensor.name, tensor.name))
    for tensor in initializers:
        tensor.name, tensor.doc_string = names.get(tensor.name, tensor.name), ""
    del graph.initializer[:]
    graph.initializer.extend(initializers)
