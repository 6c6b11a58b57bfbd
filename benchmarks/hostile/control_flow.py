"""Control flow around a graph's answer: branches, loops and scans that give what they are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Change = Callable[[onnx.ModelProto], None]


def _body(name: str, kind: int = TensorProto.FLOAT) -> onnx.GraphProto:
    output = helper.make_tensor_value_info(name, kind, None)
    return helper.make_graph([helper.make_node("Identity", ["logits_inside"], [name])], name, [], [output])


def last_renamed(model: onnx.ModelProto) -> None:
    """Let the answer be called so that another node can give `logits`."""
    for node in model.graph.node:
        node.output[:] = ["logits_inside" if name == "logits" else name for name in node.output]


def branches(model: onnx.ModelProto) -> None:
    """An If, both of whose branches give the answer."""
    last_renamed(model)
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "always"))
    both = {"then_branch": _body("then_out"), "else_branch": _body("else_out")}
    model.graph.node.append(helper.make_node("If", ["always"], ["logits"], name="if", **both))


def loop(times: int) -> Change:
    """A Loop of so many rounds."""

    def change(model: onnx.ModelProto) -> None:
        last_renamed(model)
        kinds: list[tuple[str, int, Any]] = [
            ("i", TensorProto.INT64, []),
            ("go", TensorProto.BOOL, []),
            ("held", TensorProto.FLOAT, None),
        ]
        taken = [helper.make_tensor_value_info(*each) for each in kinds]
        nodes = [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Identity", ["held"], ["kept"])]
        given = [helper.make_tensor_value_info("on", TensorProto.BOOL, [])]
        given.append(helper.make_tensor_value_info("kept", TensorProto.FLOAT, None))
        body = helper.make_graph(nodes, "body", taken, given)
        model.graph.initializer.append(numpy_helper.from_array(np.array(times), "times"))
        model.graph.initializer.append(numpy_helper.from_array(np.array(True), "always"))
        model.graph.node.append(
            helper.make_node("Loop", ["times", "always", "logits_inside"], ["logits"], name="loop", body=body)
        )

    return change


def scan(model: onnx.ModelProto) -> None:
    """A Scan over the rows."""
    last_renamed(model)
    value = helper.make_tensor_value_info("row", TensorProto.FLOAT, [10])
    result = helper.make_tensor_value_info("same", TensorProto.FLOAT, [10])
    body = helper.make_graph([helper.make_node("Identity", ["row"], ["same"])], "body", [value], [result])
    model.graph.node.append(helper.make_node("Scan", ["logits_inside"], ["logits"], body=body, num_scan_inputs=1))


def nested(depth: int) -> Change:
    """Ifs inside of Ifs."""

    def change(model: onnx.ModelProto) -> None:
        last_renamed(model)
        model.graph.initializer.append(numpy_helper.from_array(np.array(True), "always"))
        body = _body("deepest")
        for level in range(depth):
            both = {"then_branch": body, "else_branch": _body("other")}
            node = helper.make_node("If", ["always"], [f"at{level}"], **both)
            output = helper.make_tensor_value_info(f"at{level}", TensorProto.FLOAT, None)
            body = helper.make_graph([node], f"g{level}", [], [output])
        both = {"then_branch": body, "else_branch": _body("other")}
        model.graph.node.append(helper.make_node("If", ["always"], ["logits"], **both))

    return change
