"""An ONNX graph made to take pixels and to give logits: what stands before it and behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from roundoff.model.taking.preprocessing import Preprocessing

PIXELS, ANSWERS = "image", "logits"
FRONT, HEAD = "preprocessing", "head"


class Step(NamedTuple):
    """One operator of a chain, with the names of its constants behind the tensor that passes through."""

    operator: str
    constants: Sequence[str] = ()
    attributes: Mapping[str, int | list[int]] = MappingProxyType({})


class Wrapping:
    """Nodes and constants added to a graph, in place; each tensor is called after the node that it comes from."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._graph = model.graph
        self._front: list[onnx.NodeProto] = []
        self._back: list[onnx.NodeProto] = []

    def put_in_front(self, preprocessing: Preprocessing, shape: Sequence[int], planes: bool, uint8: bool) -> None:
        """Let the graph take uint8 [N, H, W, C]; `planes` says that its own input is [N, C, H, W]."""
        steps: list[Step] = []
        if not uint8:
            steps.append(Step("Cast", [], {"to": TensorProto.FLOAT}))
        if preprocessing.channel_order == "bgr":
            steps.append(Step("Gather", [self._constant("bgr", np.array([2, 1, 0]))], {"axis": 3}))
        if not uint8:
            steps += self._affine(preprocessing)
        if planes:
            steps.append(Step("Transpose", [], {"perm": [0, 3, 1, 2]}))
        # no Identity where there are none: TensorRT takes no uint8 but as its input
        rename(self._graph, self._graph.input[0].name, f"{FRONT}/out" if steps else PIXELS)
        self._chain(steps, PIXELS, f"{FRONT}/out", FRONT, self._front)
        del self._graph.input[:]
        self._graph.input.append(helper.make_tensor_value_info(PIXELS, TensorProto.UINT8, ["N", *shape]))

    def _affine(self, preprocessing: Preprocessing) -> list[Step]:
        factors, summands = (np.array(values, np.float32) for values in preprocessing.affine())
        steps: list[Step] = []
        if (factors != 1).any():
            steps.append(Step("Mul", [self._constant("factor", factors)]))
        if (summands != 0).any():
            steps.append(Step("Add", [self._constant("summand", summands)]))
        return steps

    def put_behind(self, output: str, flat: bool, single: bool, columns: Sequence[int] | None) -> None:
        """Let the graph answer by `logits` [N, classes], from the tensor `output`.

        `flat` says that it is [N, classes] already; `single`, that it is one number z, which becomes −z/2 and z/2, so
        that the softmax of the two is z's sigmoid. `columns` are those of the answers that stay; None for all.
        """
        steps: list[Step] = []
        if not flat:
            steps.append(Step("Flatten", [], {"axis": 1}))
        if single:
            steps.append(Step("Mul", [self._constant("halves", np.array([-0.5, 0.5], np.float32), HEAD)]))
        if columns is not None:
            steps.append(Step("Gather", [self._constant("columns", np.array(columns), HEAD)], {"axis": 1}))
        if steps:
            self._chain(steps, output, ANSWERS, HEAD, self._back)
        else:
            rename(self._graph, output, ANSWERS)

    def finish(self, classes: int) -> None:
        """Put the nodes in their places, and leave one output."""
        nodes = list(self._graph.node)
        del self._graph.node[:], self._graph.output[:], self._graph.value_info[:]
        self._graph.node.extend([*self._front, *nodes, *self._back])
        self._graph.output.append(helper.make_tensor_value_info(ANSWERS, TensorProto.FLOAT, ["N", classes]))
        drop_unread(self._graph)

    def _constant(self, name: str, value: np.ndarray, room: str = FRONT) -> str:
        self._graph.initializer.append(numpy_helper.from_array(value, f"{room}/{name}"))
        return f"{room}/{name}"

    @staticmethod
    def _chain(
        steps: Sequence[Step],
        start: str,
        end: str,
        room: str,
        nodes: list[onnx.NodeProto],
    ) -> None:
        last = start
        for number, step in enumerate(steps, start=1):
            name = f"{room}/{step.operator}"
            output = end if number == len(steps) else name
            node = helper.make_node(step.operator, [last, *step.constants], [output], name)
            node.attribute.extend(helper.make_attribute(key, value) for key, value in step.attributes.items())
            nodes.append(node)
            last = output


def make_room(graph: onnx.GraphProto, output: str) -> str:
    """Rename, in place, what bears a name that a `Wrapping` gives; the name of `output` from now on."""
    names = {name for node in graph.node for name in (*node.input, *node.output)}
    for name in names:
        if name in (PIXELS, ANSWERS) or name.startswith((f"{FRONT}/", f"{HEAD}/")):
            rename(graph, name, f"network/{name}")
    return output if output in {name for node in graph.node for name in node.output} else f"network/{output}"


def rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Call a tensor otherwise wherever it stands, in graphs inside the graph too."""
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]
        for attribute in node.attribute:
            for body in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                rename(body, old, new)
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        if value.name == old:
            value.name = new


def drop_unread(graph: onnx.GraphProto) -> None:
    """Remove, in place, nodes and constants that none of the outputs depends on."""
    wanted = {value.name for value in graph.output}
    kept: list[onnx.NodeProto] = []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(read_by(node))
    constants = [tensor for tensor in graph.initializer if tensor.name in wanted]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(reversed(kept))
    graph.initializer.extend(constants)


def read_by(node: onnx.NodeProto) -> set[str]:
    """The tensors that a node or the graphs inside it read."""
    names = set(node.input)
    for attribute in node.attribute:
        for body in [attribute.g] if attribute.HasField("g") else attribute.graphs:
            for inner in body.node:
                names |= read_by(inner)
            names |= {value.name for value in body.output}
    return names
