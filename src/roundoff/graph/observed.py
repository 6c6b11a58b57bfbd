"""The activations that calibration observes, and those that it has to."""

from __future__ import annotations

import onnx

from roundoff.graph.links import Links
from roundoff.graph.queries import WEIGHTED, activations, element_types, weighted_nodes

POOLS = ("AveragePool", "GlobalAveragePool", "MaxPool")
COMPUTING = (*WEIGHTED, "Add", "Mul", "BatchNormalization", "Concat", *POOLS, "ReduceMean")
"""Operators that a precision may hand quantized inputs; only their float inputs are observed."""


def observed_tensors(model: onnx.ModelProto) -> list[str]:
    """Names, in graph order, of the float32 activations that some computing operator takes or an 8-bit kernel gives.

    What a Conv hands to its own ReLU is not among them: engines fuse the two, and no grid ever applies in between.
    """
    types = element_types(model)
    moving = activations(model)
    first_after_input = _preprocessed(model)
    given = _given(model)
    names: dict[str, None] = {}
    for node in model.graph.node:
        if node.output[0] in first_after_input:
            continue
        taken = node.input if node.op_type in COMPUTING else ()
        for name in (*taken, *(given[name] for name in node.output if name in given)):
            if name in moving and types.get(name, onnx.TensorProto.FLOAT) == onnx.TensorProto.FLOAT:
                names[name] = None
    return list(names)


def required_tensors(model: onnx.ModelProto) -> set[str]:
    """The activations without whose range nothing can be quantized: what weighted operators and their Adds take."""
    moving = activations(model)
    weighted = [model.graph.node[place] for place in weighted_nodes(model)]
    given = {node.output[0] for node in weighted}
    adds = [node for node in model.graph.node if node.op_type == "Add" and given.intersection(node.input)]
    return {node.input[0] for node in weighted} | {name for node in adds for name in node.input if name in moving}


def _given(model: onnx.ModelProto) -> dict[str, str]:
    """What 8-bit kernels give, its ReLU folded, by the first output of their nodes."""
    links = Links.of(model)
    weighted = {model.graph.node[place].output[0] for place in weighted_nodes(model)}
    given = {
        node.output[0]
        for node in links.nodes
        if node.output[0] in weighted or links.chains(node) or _may_be_a_conv(links, node)
    }
    return {name: settled for name in given if (settled := links.settled(name)) not in links.outputs}


def _may_be_a_conv(links: Links, node: onnx.NodeProto) -> bool:
    """Whether a Conv of one number a channel may stand there (`precision.rewriting.by_channel`)."""
    sizes = [links.known[name].size for name in node.input if name in links.known]
    return node.op_type == "BatchNormalization" or (node.op_type in ("Add", "Mul") and max(sizes, default=1) > 1)


def _preprocessed(model: onnx.ModelProto) -> set[str]:
    """Tensors between the input and the first weighted operator."""
    moving = {value.name for value in model.graph.input}
    for node in model.graph.node:
        if node.op_type in WEIGHTED:
            break
        if moving.intersection(node.input):
            moving.update(node.output)
    return moving
