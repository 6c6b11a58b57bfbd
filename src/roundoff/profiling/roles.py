"""What a layer of a runtime does, and what the user calls it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import onnx

from roundoff.graph.costs import WEIGHTS_AT, node_name
from roundoff.results.layers import CONVERSION, OTHER, PRODUCT

CONVERTS = re.compile(
    r"cast|(?:de|dynamic)?quantize(?:linear)?|reformat\w*|reorder(?:in|out)put|transpose", re.IGNORECASE
)
"""Runtimes' words for layers that only change types or layouts."""
MULTIPLIES = re.compile(r"correlation|conv|gemm|matmul|matrix.?multiply|fully.?connected|runtime_fusion", re.IGNORECASE)
ADDED = ("quantize", "dequantize")  # behind a node's name, what quantizing has put beside it


def own_nodes(layers: Sequence[tuple[str, Sequence[str]]]) -> list[tuple[str, ...]]:
    """Of layers by kind and nodes, the nodes that each does itself.

    TensorRT names a convolution in the layer that adds, activates or quantizes behind it, too: the one whose kind
    multiplies does the product, and has its time and multiply-adds alone.
    """
    multiplied = {node for kind, nodes in layers if _multiplies(kind) for node in nodes}
    return [tuple(nodes if _multiplies(kind) else (n for n in nodes if n not in multiplied)) for kind, nodes in layers]


def _multiplies(kind: str) -> bool:
    return bool(MULTIPLIES.search(kind))


class Nodes:
    """The nodes of a cell's graph by name: their operators, and the layers that they belong to."""

    def __init__(self, model: onnx.ModelProto | None) -> None:
        nodes = [] if model is None else list(model.graph.node)
        self._operators: Mapping[str, str] = {node_name(node): node.op_type for node in nodes}
        self._words = set(self._operators.values())

    def role(self, kind: str, nodes: Sequence[str]) -> str:
        """Of a runtime's layer of that `kind` that stands for these nodes."""
        operators = [self._operators[name] for name in nodes if name in self._operators]
        if CONVERTS.fullmatch(kind):
            return CONVERSION
        if any(each in WEIGHTS_AT for each in operators) or (not operators and _multiplies(kind)):
            return PRODUCT
        return CONVERSION if operators and all(CONVERTS.fullmatch(each) for each in operators) else OTHER

    def layer(self, name: str, nodes: Sequence[str]) -> str:
        """The layers that the nodes belong to, each once, joined by `;`; the runtime's own `name` where it has none."""
        doing = [node for node in nodes if not node.endswith(ADDED)]
        return ";".join(dict.fromkeys(map(self._layer_of, doing or nodes))) or name

    def _layer_of(self, node: str) -> str:
        """LAYER of LAYER/OPERATOR; a node that is named otherwise is its own layer."""
        parts = node.split("/")
        while len(parts) > 1 and parts[-1] in ADDED:
            parts.pop()
        if len(parts) > 1 and re.sub(r"_\d+$", "", parts[-1]) in self._words:
            parts.pop()
        return "/".join(parts)
