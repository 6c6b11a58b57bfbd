"""Names for an ONNX graph's nodes and tensors that depend on the Keras layers alone, not on a converter's counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import onnx

from roundoff.export.layers import Labels
from roundoff.graph.inside import bodies

# The layer of what belongs to none, such as the first cast of the image.
NO_LAYER = "graph"


def name_by_layer(model: onnx.ModelProto, labels: Labels) -> None:
    """Rename, in place, every node to LAYER/OPERATOR and every tensor after the node it comes from.

    Initializers are named after their first reader and the operator's own word for that input, such as
    `stem_conv/Conv/W`. The graph's inputs and outputs keep their names. A name that would come again gets a number, in
    loops' bodies too. The order of initializers becomes that of their names.
    """
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    graph = model.graph
    kept = {value.name: value.name for value in (*graph.input, *graph.output)}
    _Naming(labels, opset, kept).name(graph, kept)


class _Naming:
    def __init__(self, labels: Labels, opset: int, taken: Iterable[str]) -> None:
        self._labels, self._opset = labels, opset
        self._taken = set(taken)
        self._seen: Counter[str] = Counter()
        self._layer_of: dict[str, str] = {}

    def name(self, graph: onnx.GraphProto, visible: dict[str, str]) -> None:
        """Name what is in `graph`; `visible` maps old names of what it may read from outside to new ones."""
        names = dict(visible)
        constants = {tensor.name for tensor in graph.initializer}
        for node in graph.node:
            label = self._unique(self._label(node))
            for old, role in self._reads(node):
                if old in constants and old not in names:
                    names[old] = self._unique(f"{label}/{role}")
            for number, old in enumerate(node.output):
                if old and old not in names:
                    names[old] = label if number == 0 else self._unique(f"{label}:{number}")
            node.name, node.doc_string = label, ""
        _apply(graph, names)
        for node in graph.node:
            self._name_inside(node, names)

    def _name_inside(self, node: onnx.NodeProto, names: dict[str, str]) -> None:
        for number, body in enumerate(bodies(node)):
            body.name, body.doc_string = f"{node.name}/body{number}", ""
            inputs = {value.name: self._unique(f"{body.name}/{place}") for place, value in enumerate(body.input)}
            self.name(body, {**names, **inputs})

    def _label(self, node: onnx.NodeProto) -> str:
        """LAYER/OPERATOR; what converters added without a mark belongs to the layer that it reads from."""
        read = (self._layer_of[name] for name in node.input if name in self._layer_of)
        layer = self._labels.of((node.name, *node.output, *node.input)) or next(read, NO_LAYER)
        self._layer_of |= dict.fromkeys(node.output, layer)
        return f"{layer}/{node.op_type}"

    def _unique(self, name: str) -> str:
        while True:
            self._seen[name] += 1
            unique = name if self._seen[name] == 1 else f"{name}_{self._seen[name]}"
            if unique not in self._taken:
                self._taken.add(unique)
                return unique

    def _reads(self, node: onnx.NodeProto) -> Iterator[tuple[str, str]]:
        """The tensors that a node or its bodies read, each with the operator's word for it."""
        formal = [parameter.name for parameter in onnx.defs.get_schema(node.op_type, self._opset, node.domain).inputs]
        yield from ((name, formal[min(number, len(formal) - 1)]) for number, name in enumerate(node.input))
        for body in bodies(node):
            for inner in body.node:
                yield from ((name, f"{inner.op_type}/{role}") for name, role in self._reads(inner))


def _apply(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in (*graph.input, *graph.output):
        value.name = names.get(value.name, value.name)
    initializers = sorted(graph.initializer, key=lambda tensor: names.get(tensor.name, tensor.name))
    for tensor in initializers:
        tensor.name, tensor.doc_string = names.get(tensor.name, tensor.name), ""
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(initializers)
