"""A batch dimension that an exporter fixed, opened where the graph allows it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from roundoff.errors import DataError
from roundoff.model.taking.onnx_running import session

OPEN = "N"
TOLERANCE = 1e-4

Values = NDArray[Any]


def open_batch(path: Path, model: onnx.ModelProto, sample: Values, tolerance: float = TOLERANCE) -> onnx.ModelProto:
    """The model with an open batch dimension; `sample` holds two inputs that differ, [2, …].

    A Reshape whose target names the fixed size is made to take any. Raises DataError, which names the node, where
    something else holds the size, or where inputs of one batch act on each other's answers.
    """
    fixed = model.graph.input[0].type.tensor_type.shape.dim[0]
    size = fixed.dim_value if fixed.HasField("dim_value") else 1
    alone = _alone(path, model, sample, size)
    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    if fixed.HasField("dim_value"):
        _open_reshapes(opened, size, {name: value.shape for name, value in alone[0].items()})
    del opened.graph.value_info[:]
    for value in (*opened.graph.input, *opened.graph.output):
        if value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].dim_param = OPEN
    culprit = _culprit(opened, alone, sample, size, tolerance)
    if culprit is None:
        return opened
    raise DataError(
        f"{path} is made for a batch of {size}, and cannot be opened for others",
        received=culprit,
        expected="a graph that answers for each image alone, whatever the size of the batch",
        fix="export it with an open batch dimension: dynamic_axes={NAME: {0: 'N'}} in torch.onnx.export, or "
        "dynamic_shapes with dynamo=True",
    )


def _alone(path: Path, model: onnx.ModelProto, sample: Values, size: int) -> list[dict[str, Values]]:
    """Every tensor of the model as it is, for the first input and for the second, by name."""
    name = model.graph.input[0].name
    batches = [np.concatenate([sample[i : i + 1]] * size) for i in (0, 1)]
    try:
        return [{name: batch, **_run(model, batch)} for batch in batches]
    except Exception as error:
        raise DataError(
            f"{path} does not run on ONNX Runtime",
            received=_words(error),
            expected="a graph that runs as it is, on images of the dataset's size",
            fix="prepare images of the size that the model was trained on (dataset.size), or export it again",
        ) from error


def _open_reshapes(model: onnx.ModelProto, size: int, shapes: dict[str, tuple[int, ...]]) -> None:
    """Replace, in place, the batch in the target of each Reshape that keeps it by 0: as in the input."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    constants |= {
        node.output[0]: node.attribute[0].t
        for node in model.graph.node
        if node.op_type == "Constant" and node.attribute[0].name == "value"
    }
    for number, node in enumerate(model.graph.node):
        if node.op_type != "Reshape" or node.input[1] not in constants:
            continue
        target = numpy_helper.to_array(constants[node.input[1]]).copy()
        before = shapes.get(node.input[0], ())
        if len(target) and before and target[0] == before[0] == size:
            target[0] = 0
            node.input[1] = f"{node.name or number}/open_shape"
            model.graph.initializer.append(numpy_helper.from_array(target, node.input[1]))


def _culprit(
    opened: onnx.ModelProto, alone: list[dict[str, Values]], sample: Values, size: int, tolerance: float
) -> str | None:
    """The node at which the opened graph leaves the given one, in words; None where it does not."""
    try:
        together = _run(opened, sample)
    except Exception as error:
        return _words(error)
    for node in opened.graph.node:
        if any(_parts(alone, together, name, size, tolerance) for name in node.output if name in together):
            return f"the answers of one image and of two part at {node.op_type} {node.name or node.output[0]}"
    return None


def _words(error: Exception) -> str:
    """What ONNX Runtime says, without its own source's places: the node, and what is wrong with it."""
    first = str(error).strip().splitlines()[0]
    said = re.search(r"running (\w+) node\. Name:'([^']*)' Status Message: (.*)", first)
    return f"{said[1]} {said[2]}: {said[3][-200:]}" if said else first[:500]


def _parts(alone: list[dict[str, Values]], together: dict[str, Values], name: str, size: int, tolerance: float) -> bool:
    """Whether two inputs at once give something else for a tensor than one after the other."""
    first, second, both = alone[0][name], alone[1][name], together[name]
    if not np.issubdtype(first.dtype, np.floating):
        return False
    first, second, both = (each.astype(np.float64) for each in (first, second, both))  # squares overflow in 16 bits
    if first.ndim and first.shape[0] == size and both.shape == (2, *first.shape[1:]):
        wanted = np.stack([first[0], second[0]])
    elif both.shape == first.shape and np.array_equal(first, second):
        wanted = first  # no image is in it
    else:
        return False  # another layout; what follows from it tells
    return not np.linalg.norm(both - wanted) <= tolerance * max(float(np.linalg.norm(wanted)), 1e-6)


def _run(model: onnx.ModelProto, batch: Values) -> dict[str, Values]:
    """The value of every node's output, by name."""
    widened = onnx.ModelProto()
    widened.CopyFrom(model)
    names = [name for node in model.graph.node for name in node.output if name]
    present = {value.name for value in widened.graph.output}
    widened.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in present)
    running = session(widened, as_written=True)
    outputs = running.run(names, {running.get_inputs()[0].name: batch})
    return dict(zip(names, outputs, strict=True))
