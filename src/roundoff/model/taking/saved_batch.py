"""A TensorFlow function that was saved for one batch size, opened for any where its graph allows it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roundoff.errors import DataError

TOLERANCE = 1e-4
NODE = re.compile(r"\{\{node ([^}]*)\}\}")

Values = NDArray[Any]


def with_open_batch(path: Path, function: Any, shape: tuple[int, int, int]) -> Any:
    """The function of a SavedModel itself where its batch is open; else one of the same graph for any batch.

    It takes images [*shape]. The weights of one that was opened are constants of its graph. Raises DataError, which
    names the node, where something holds the batch size, or where images of one batch act on each other's answers.
    """
    ((name, taken),) = function.structured_input_signature[1].items()
    size = taken.shape[0]
    if size is None:
        return function
    images = np.random.default_rng(0).integers(0, 256, (2, *shape)).astype(taken.dtype.as_numpy_dtype)
    try:
        fixed = _frozen(function)
        opened = _opened(fixed, size)
        node = _parting(fixed, opened, images, size)
    except Exception as error:  # TensorFlow raises what its parts do
        raise _refusal(path, size, _words(error)) from error
    if node:
        raise _refusal(path, size, f"the answers of one image and of two part at {node}")
    return _signature(opened, name, taken, sorted(function.structured_outputs))


def _frozen(function: Any) -> Any:
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    return convert_variables_to_constants_v2(function, lower_control_flow=False, aggressive_inlining=True)


def _opened(fixed: Any, size: int) -> Any:
    """The frozen function with its input's batch open, and each Reshape that names a batch made to take any."""
    import tensorflow as tf

    graph = fixed.graph.as_graph_def()
    for node in list(graph.node):
        node.attr.pop("_output_shapes", None)
        operation = fixed.graph.get_operation_by_name(node.name)
        if node.op == "Placeholder" and node.name == fixed.inputs[0].op.name:
            node.attr["shape"].shape.dim[0].size = -1
        elif node.op == "Reshape" and operation.inputs[1].op.type == "Const" and _names(operation, size):
            sizes = np.array([-1, *operation.outputs[0].shape[1:]], operation.inputs[1].dtype.as_numpy_dtype)
            target = graph.node.add(name=f"{node.name}/open_shape", op="Const")
            target.attr["dtype"].type = operation.inputs[1].dtype.as_datatype_enum
            target.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(sizes))
            node.input[1] = target.name
    wrapped = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
    return wrapped.prune(*([wrapped.graph.get_tensor_by_name(each.name) for each in some] for some in _ends(fixed)))


def _names(reshape: Any, size: int) -> bool:
    """Whether a Reshape may hold the batch size in its first dimension, all others being known."""
    sizes = reshape.outputs[0].shape
    return bool(sizes.rank) and sizes.is_fully_defined() and sizes[0] % size == 0


def _ends(function: Any) -> tuple[list[Any], list[Any]]:
    return list(function.inputs), list(function.outputs)


def _parting(fixed: Any, opened: Any, images: Values, size: int) -> str | None:
    """The first node at which two images at once give something else than each alone, in words; None if none does."""
    if _agree(fixed, opened, images, size, [each.name for each in fixed.outputs]) is None:
        return None
    inner = [
        each.outputs[0].name
        for each in fixed.graph.get_operations()
        if each.outputs and each.outputs[0].dtype.is_floating and each.outputs[0].shape[:1] == [size]
    ]
    parted = _agree(fixed, opened, images, size, [*inner, *(each.name for each in fixed.outputs)])
    operation = fixed.graph.get_tensor_by_name(parted or fixed.outputs[0].name).op
    return f"{operation.type} {_plain(operation.name)}"


def _agree(fixed: Any, opened: Any, images: Values, size: int, names: list[str]) -> str | None:
    """The first of the tensors that differs by more than the tolerance; None where none does."""
    one, two = (_values(fixed, np.repeat(images[i : i + 1], size, axis=0), names) for i in (0, 1))
    for name, first, second, both in zip(names, one, two, _values(opened, images, names), strict=True):
        wanted = np.stack([first[0], second[0]]) if first.ndim else first
        if wanted.shape != both.shape or not _near(both, wanted):
            return name
    return None


def _near(found: Values, wanted: Values) -> bool:
    found, wanted = found.astype(np.float64), wanted.astype(np.float64)
    return bool(np.linalg.norm(found - wanted) <= TOLERANCE * max(float(np.linalg.norm(wanted)), 1e-6))


def _values(function: Any, images: Values, names: list[str]) -> list[Values]:
    import tensorflow as tf

    tensors = [function.graph.get_tensor_by_name(name) for name in names]
    return [np.asarray(each) for each in function.prune(list(function.inputs), tensors)(tf.constant(images))]


def _signature(opened: Any, name: str, taken: Any, outputs: list[str]) -> Any:
    """The opened function with the names that the SavedModel's has."""
    import tensorflow as tf

    def answer(**given: Any) -> dict[str, Any]:
        return dict(zip(outputs, opened(given[name]), strict=True))

    images = tf.TensorSpec([None, *taken.shape[1:]], taken.dtype, name=name)
    return tf.function(answer, autograph=False).get_concrete_function(**{name: images})


def _words(error: Exception) -> str:
    """What TensorFlow says, with the node that it names."""
    first = (str(error).strip().splitlines() or ["no message"])[0]
    node = NODE.search(str(error))
    return f"{f'{_plain(node[1])}: ' if node else ''}{type(error).__name__}: {first}"[:500]


def _plain(node: str) -> str:
    """A node's name without those of the functions around it."""
    return node.split("PartitionedCall/")[-1]


def _refusal(path: Path, size: int, received: str) -> DataError:
    return DataError(
        f"{path} is made for a batch of {size}, and cannot be opened for others",
        received=received,
        expected="a graph that answers for each image alone, whatever the size of the batch",
        fix="save it with tf.TensorSpec([None, …]), or by model.export of a Keras model without a fixed batch",
    )
