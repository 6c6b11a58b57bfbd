"""Activations that TensorRT-RTX 1.6.1 does not take in bfloat16, made of operators that it takes."""

from __future__ import annotations

from collections.abc import Iterator

import onnx
from onnx import helper

from roundoff.graph.queries import element_types

OPERATORS = ("HardSwish", "Mish")


def spelled_out(model: onnx.ModelProto, kind: int) -> onnx.ModelProto:
    """`model`, where each HardSwish and Mish of tensors of the type `kind` is made of operators that are common.

    x · HardSigmoid(x) and x · tanh(ln(1 + exp x)), as in ONNX's own definitions.
    """
    types = element_types(model)
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        applies = node.op_type in OPERATORS and types.get(node.input[0]) == kind
        nodes.extend(_parts(node) if applies else [node])
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def _parts(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    taken, made, factor = node.input[0], node.output[0], f"{node.output[0]}/factor"
    if node.op_type == "HardSwish":
        yield helper.make_node("HardSigmoid", [taken], [factor], f"{node.name}/HardSigmoid", alpha=1 / 6, beta=0.5)
    else:
        yield helper.make_node("Softplus", [taken], [f"{made}/softplus"], f"{node.name}/Softplus")
        yield helper.make_node("Tanh", [f"{made}/softplus"], [factor], f"{node.name}/Tanh")
    yield helper.make_node("Mul", [taken, factor], [made], node.name)
