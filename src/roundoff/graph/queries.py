"""What calibration reads from an ONNX graph: its hash, its constants, shapes and types."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from roundoff.errors import CalibrationError

WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators whose second input may be a weight; what feeds them is quantized."""


SEAL = "roundoff_sha256"
"""The key of a model's metadata under which the hash of its content stands."""


def model_hash(model: onnx.ModelProto) -> str:
    """SHA-256, in hexadecimal, of the model's deterministic serialization: equal for a file and its loaded proto.

    The hash itself, where it stands in the model, is left out.
    """
    told = list(model.metadata_props)
    kept = [entry for entry in told if entry.key != SEAL]
    if len(kept) == len(told):
        return hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    found = hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()
    del model.metadata_props[:]
    model.metadata_props.extend(told)
    return found


def sealed_with(model: onnx.ModelProto) -> str | None:
    """The hash of its content that a model was written with; None where nobody wrote one."""
    return next((str(entry.value) for entry in model.metadata_props if entry.key == SEAL), None)


def constants(model: onnx.ModelProto) -> dict[str, NDArray[np.generic]]:
    """Initializers, Constant nodes' outputs, and what Identity makes of these, by name."""
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            values[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        elif node.op_type == "Identity" and node.input[0] in values:
            values[node.output[0]] = values[node.input[0]]
    return values


def weighted_nodes(model: onnx.ModelProto) -> list[int]:
    """Places, in the graph's list, of the operators with a constant weight that take an activation."""
    known, moving = constants(model), activations(model)
    return [
        index
        for index, node in enumerate(model.graph.node)
        if node.op_type in WEIGHTED and node.input[0] in moving and node.input[1] in known
    ]


def activations(model: onnx.ModelProto) -> set[str]:
    """Names of the tensors that depend on the graph's inputs."""
    fixed = {tensor.name for tensor in model.graph.initializer}
    moving = {value.name for value in model.graph.input} - fixed
    for node in model.graph.node:
        if moving.intersection(node.input):
            moving.update(node.output)
    return moving


def preprocessing(model: onnx.ModelProto) -> list[str]:
    """The nodes between the input and the first operator with a weight, with their constants, in words."""
    known, words = constants(model), []
    moving = {value.name for value in model.graph.input}
    for node in model.graph.node:
        if node.op_type in WEIGHTED:
            break
        if moving.intersection(node.input):
            moving.update(node.output)
            fixed = [known[name].ravel().tolist() for name in node.input if name in known]
            words.append(f"{node.op_type}({', '.join(map(str, fixed))})" if fixed else node.op_type)
    return words


def convolution_inputs(model: onnx.ModelProto) -> set[str]:
    """Names of the tensors [N, C, …] that a Conv takes."""
    return {node.input[0] for node in model.graph.node if node.op_type == "Conv"}


def with_outputs(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """A copy of the model whose outputs are `names`, in that order."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    copy.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
    return copy


def image_input(model: onnx.ModelProto) -> onnx.ValueInfoProto:
    """The graph's one input; raises CalibrationError unless it is a uint8 tensor of rank 4."""
    fixed = {tensor.name for tensor in model.graph.initializer}
    inputs: list[onnx.ValueInfoProto] = [value for value in model.graph.input if value.name not in fixed]
    tensor = inputs[0].type.tensor_type if len(inputs) == 1 else None
    if tensor is None or tensor.elem_type != onnx.TensorProto.UINT8 or len(tensor.shape.dim) != 4:
        raise CalibrationError(
            "the model does not take images as roundoff feeds them",
            received=[onnx.helper.printable_value_info(value) for value in inputs],
            expected="one uint8 input [N, H, W, C] of raw pixels 0 to 255, rescaled inside the graph",
            fix="export the model with its preprocessing in the graph",
        )
    return inputs[0]


def bytes_per_image(model: onnx.ModelProto, names: Sequence[str]) -> int:
    """Bytes that the float32 tensors `names` take for one image, counting unknown dimensions as 1."""
    known = shapes(model)
    return sum(4 * math.prod(max(size, 1) for size in known.get(name, ())[1:]) for name in names)


def shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor whose shape can be inferred; a dimension that cannot is 0."""
    return {value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim) for value in _values(model)}


def element_types(model: onnx.ModelProto) -> dict[str, int]:
    """The element type, a number of onnx.TensorProto, of each tensor whose type can be inferred."""
    typed = {value.name: value.type.tensor_type.elem_type for value in _values(model)}
    return typed | {tensor.name: tensor.data_type for tensor in model.graph.initializer}


def _values(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    graph = onnx.shape_inference.infer_shapes(model).graph
    return [*graph.input, *graph.value_info, *graph.output]
