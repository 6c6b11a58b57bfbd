"""Weights put into a graph, and the graph made small by ONNX Runtime's basic optimizations."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from roundoff.graph.inside import drop_unread, read_inside

# Below this ONNX keeps a tensor in the graph itself, so that shapes can be inferred without the weights' file.
INLINE_BYTES = 1024


def with_weights(model: onnx.ModelProto, weights: Mapping[str, Any], directory: Path) -> Path:
    """Turn the inputs that `weights` names into initializers; the graph's file, beside that of the weights.

    Weights are written one by one: no second copy of the model is in memory.
    """
    graph = model.graph
    inputs = list(graph.input)
    del graph.input[:]
    graph.input.extend(value for value in inputs if value.name not in weights)
    with (directory / "weights.bin").open("wb") as file:
        graph.initializer.extend(
            _written(value.name, np.ascontiguousarray(weights[value.name]), file)
            for value in inputs
            if value.name in weights
        )
    path = directory / "traced.onnx"
    onnx.save(model, path)
    return path


def _written(name: str, value: Any, file: Any) -> onnx.TensorProto:
    dtype = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
    if value.nbytes <= INLINE_BYTES:
        return onnx.numpy_helper.from_array(value, name)
    tensor = onnx.TensorProto(name=name, dims=value.shape, data_type=dtype, data_location=onnx.TensorProto.EXTERNAL)
    for key, content in (("location", "weights.bin"), ("offset", file.tell()), ("length", value.nbytes)):
        tensor.external_data.add(key=key, value=str(content))
    file.write(value.data)
    return tensor


def folded(source: Path) -> onnx.ModelProto:
    """The graph in `source` with constants, scales and biases folded and transposes moved away.

    Its large weights lie in a file beside `source`, `folded.bin`.
    """
    import onnxruntime

    path = source.with_name("folded.onnx")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    options.optimized_model_filepath = str(path)
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", "folded.bin")
    size = "session.optimized_model_external_initializers_min_size_in_bytes"
    options.add_session_config_entry(size, str(INLINE_BYTES))
    onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    return onnx.load(path, load_external_data=False)


def cast_first(model: onnx.ModelProto) -> None:
    """Move, in place, a Transpose of uint8 behind the Cast that reads it: TensorRT has no Transpose of uint8."""
    graph = model.graph
    bytes_ = {value.name for value in graph.input if value.type.tensor_type.elem_type == onnx.TensorProto.UINT8}
    nodes = list(graph.node)
    for transpose in [node for node in nodes if node.op_type == "Transpose" and node.input[0] in bytes_]:
        readers = [node for node in nodes if transpose.output[0] in node.input]
        if [node.op_type for node in readers] != ["Cast"]:
            continue
        cast = readers[0]
        source, between, end = transpose.input[0], transpose.output[0], cast.output[0]
        cast.input[:], cast.output[:], transpose.input[:], transpose.output[:] = [source], [between], [between], [end]
        here, there = nodes.index(transpose), nodes.index(cast)
        nodes[here], nodes[there] = cast, transpose
        for value in [value for value in graph.value_info if value.name == between]:
            graph.value_info.remove(value)  # of the type and shape that it had
    del graph.node[:]
    graph.node.extend(nodes)


def drop_idle_reshapes(model: onnx.ModelProto) -> None:
    """Remove, in place, each Reshape to the shape that its input has; the model's shapes must be inferred.

    They are what is left of transposes where height and width are 1, and would part a convolution from the next one.
    """
    graph = model.graph
    shapes = {value.name: _sizes(value) for value in (*graph.input, *graph.value_info)}
    inside = read_inside(graph)
    renamed: dict[str, str] = {}
    for node in list(graph.node):
        node.input[:] = [renamed.get(name, name) for name in node.input]
        if node.op_type != "Reshape" or node.output[0] in inside:
            continue
        before, after = shapes.get(node.input[0]), shapes.get(node.output[0])
        # the batch, open on both sides, is what is left of the elements
        if before and after and before[1:] == after[1:] and all(after[1:]):
            renamed[node.output[0]] = node.input[0]
            graph.node.remove(node)
    drop_unread(graph)


def _sizes(value: onnx.ValueInfoProto) -> list[int]:
    """A tensor's dimensions, 0 for one that is open."""
    return [size.dim_value for size in value.type.tensor_type.shape.dim]
