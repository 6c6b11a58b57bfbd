"""A softmax or sigmoid at the end of a TensorFlow function, found in its graph and left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SOFTENING = {"Softmax": "softmax", "LogSoftmax": "softmax", "Sigmoid": "sigmoid"}
PASSING = ("Identity", "Cast")


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
    except Exception:  # TensorFlow raises what its parts do: tables, or more than 2 GB of weights
        return Cut()
    tensor = frozen.outputs[sorted(function.structured_outputs).index(output)]
    while tensor.op.type in PASSING:
        tensor = tensor.op.inputs[0]
    removed = SOFTENING.get(tensor.op.type)
    if removed is None:
        return Cut(seen=not tensor.op.type.endswith("PartitionedCall"))
    return Cut(frozen.prune(frozen.inputs, tensor.op.inputs[0]), removed, seen=True)
