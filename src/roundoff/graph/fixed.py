"""An ONNX graph at one batch size: every shape known, and what depends on constants alone computed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import AttributeProto, numpy_helper

Constants = dict[str, NDArray[np.generic]]
PLAIN_VALUES = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
ROUNDS = 20  # each time more shapes are known; PyTorch's exports take two or three


def fixed_graph(model: onnx.ModelProto, batch: int) -> tuple[onnx.ModelProto, Constants]:
    """A copy for images [batch, H, W, C], of the nodes that depend on these, and all constants by name.

    What reads shapes (Shape, Gather, Concat, … in front of a Reshape) is among the constants then.
    """
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for value in (fixed.graph.input[0], fixed.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_value = batch
    constants: Constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in fixed.graph.initializer}
    for _ in range(ROUNDS):
        del fixed.graph.value_info[:]
        if not _fold(fixed, constants):
            break
    return fixed, constants


def _fold(model: onnx.ModelProto, constants: Constants) -> bool:
    """Compute what can be computed by now; whether that was anything."""
    shapes = known_shapes(model, constants)
    left: list[onnx.NodeProto] = []
    for node in model.graph.node:
        results = _results(model, node, constants, shapes)
        if results is None:
            left.append(node)
        else:
            constants.update(results)
    found = len(left) < len(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(left)
    return found


def known_shapes(model: onnx.ModelProto, constants: Constants) -> dict[str, tuple[int, ...]]:
    """Shapes without unknown dimensions, by the tensor's name; constants that were computed help to infer them."""
    light = onnx.ModelProto()
    light.CopyFrom(model)
    stored = {tensor.name for tensor in light.graph.initializer}
    computed = (name for name in constants if name not in stored)
    light.graph.initializer.extend(numpy_helper.from_array(constants[name], name) for name in computed)
    graph = onnx.shape_inference.infer_shapes(light, data_prop=True).graph
    values = [*graph.input, *graph.value_info, *graph.output]
    shapes = {value.name: value.type.tensor_type.shape for value in values if value.type.tensor_type.HasField("shape")}
    return {
        name: tuple(dim.dim_value for dim in shape.dim)
        for name, shape in shapes.items()
        if all(dim.HasField("dim_value") for dim in shape.dim)
    }


def _results(
    model: onnx.ModelProto, node: onnx.NodeProto, constants: Constants, shapes: Mapping[str, tuple[int, ...]]
) -> Constants | None:
    """The node's outputs, where its inputs, or the shape that it asks for, are known."""
    if node.op_type == "Constant":
        return {node.output[0]: _constant(node)}
    if node.op_type in ("Shape", "Size") and node.input[0] in shapes:
        return {node.output[0]: _of_shape(node, shapes[node.input[0]])}
    drawn, bodied = node.op_type.startswith("Random"), any(each.type == AttributeProto.GRAPH for each in node.attribute)
    if drawn or bodied or not all(name in constants for name in node.input if name):
        return None
    return _computed(model, node, constants)


def _constant(node: onnx.NodeProto) -> NDArray[np.generic]:
    attribute = node.attribute[0]
    if attribute.name in PLAIN_VALUES:
        return np.array(onnx.helper.get_attribute_value(attribute), PLAIN_VALUES[attribute.name])
    return np.asarray(numpy_helper.to_array(attribute.t))


def _of_shape(node: onnx.NodeProto, shape: tuple[int, ...]) -> NDArray[np.generic]:
    if node.op_type == "Size":
        return np.array(np.prod(shape), np.int64)
    bounds = {attribute.name: attribute.i for attribute in node.attribute}
    return np.array(shape[bounds.get("start", 0) : bounds.get("end", len(shape))], np.int64)


def _computed(model: onnx.ModelProto, node: onnx.NodeProto, constants: Constants) -> Constants | None:
    """By ONNX's own reference; None where that has no such operator."""
    from onnx.reference import ReferenceEvaluator

    given = [name for name in dict.fromkeys(node.input) if name]
    wanted = [name for name in node.output if name]
    untyped = onnx.helper.make_graph(
        [node],
        "constants",
        [onnx.helper.make_empty_tensor_value_info(name) for name in given],
        [onnx.helper.make_empty_tensor_value_info(name) for name in wanted],
    )
    alone = onnx.helper.make_model(untyped, opset_imports=model.opset_import, ir_version=model.ir_version)
    try:
        results = ReferenceEvaluator(alone).run(None, {name: constants[name] for name in given})
    except (NotImplementedError, RuntimeError):
        return None
    return {name: np.asarray(value) for name, value in zip(wanted, results, strict=True)}
