"""The graphs inside a graph's nodes, and what nothing reads any more, there or outside."""

from __future__ import annotations

from collections.abc import Iterator

import onnx


def bodies(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """The graphs inside a node: a loop's body, the branches of a condition."""
    graphs = []
    for attribute in node.attribute:
        graphs += [attribute.g] if attribute.HasField("g") else [*attribute.graphs]
    return graphs


def all_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes of a graph and of all graphs inside it."""
    for node in graph.node:
        yield node
        for body in bodies(node):
            yield from all_nodes(body)


def read_inside(graph: onnx.GraphProto) -> set[str]:
    """The tensors that bodies of the graph's nodes read, from inside or outside."""
    return {name for node in graph.node for body in bodies(node) for inner in all_nodes(body) for name in inner.input}


def drop_unread(graph: onnx.GraphProto) -> None:
    """Remove, in place, nodes and then initializers that nothing reads."""
    needed = {value.name for value in graph.output} | read_inside(graph)
    for node in reversed(list(graph.node)):
        if needed.isdisjoint(node.output):
            graph.node.remove(node)
        else:
            needed.update(node.input)
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in needed]:
        graph.initializer.remove(tensor)
