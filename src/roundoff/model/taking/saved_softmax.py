"""A softmax or sigmoid at the end of a TensorFlow function, found in its graph and left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SOFTENING = {"Softmax": "softmax", "LogSoftmax": "softmax", "Sigmoid": "sigmoid"}
PASSING = ("Identity", "Cast")
CALL = "PartitionedCall"


@dataclass(frozen=True)
class Cut:
    """`before` answers as the function does without what was `removed` at its end; None where nothing was.

    `seen` says that the end of its graph could be looked at.
    """

    before: Callable[[Any], Any] | None = None
    removed: str | None = None
    seen: bool = False


def without_softmax(function: Any, output: str) -> Cut:
    """The function of a SavedModel before a softmax or sigmoid that gives `output`.

    Neither changes which class is the largest, and logits say more of an error than probabilities do. The weights of
    what is left are constants of its graph. A function that cannot be frozen is left as it is.
    """
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    try:
        frozen = convert_variables_to_constants_v2(function, lower_control_flow=False)
    except Exception:  # TensorFlow raises what its parts do: tables, random numbers, or more than 2 GB of weights
        return Cut(seen=_end(function, output) not in (None, *SOFTENING))
    tensor = frozen.outputs[sorted(function.structured_outputs).index(output)]
    while tensor.op.type in PASSING:
        tensor = tensor.op.inputs[0]
    removed = SOFTENING.get(tensor.op.type)
    if removed is None:
        return Cut(seen=not tensor.op.type.endswith(CALL))
    return Cut(frozen.prune(frozen.inputs, tensor.op.inputs[0]), removed, seen=True)


def _end(function: Any, output: str) -> str | None:
    """The operator that gives `output`, inside the functions that the function calls; None where an input is it."""
    tensor = function.outputs[sorted(function.structured_outputs).index(output)]
    while tensor.op.type in PASSING:
        tensor = tensor.op.inputs[0]
    if not tensor.op.type.endswith(CALL):
        return str(tensor.op.type)
    inner = {each.signature.name: each for each in function.graph.as_graph_def().library.function}
    return _end_inside(inner, tensor.op.get_attr("f").name, tensor.value_index)


def _end_inside(inner: dict[str, Any], name: str, place: int) -> str | None:
    called = inner[name]
    nodes = {node.name: node for node in called.node_def}
    source = called.ret[called.signature.output_arg[place].name]  # NODE:OUTPUT:PLACE
    node = nodes.get(source.partition(":")[0])
    while node is not None and node.op in PASSING:
        source = node.input[0]
        node = nodes.get(source.partition(":")[0])
    if node is None or not node.op.endswith(CALL):
        return None if node is None else str(node.op)
    return _end_inside(inner, node.attr["f"].func.name, int(source.rpartition(":")[2]))
