"""What an engine computes in, from TensorRT's engine inspector and the multiplications of the ONNX graph."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx

# Names that TensorRT's versions use for a type, in formats ("Int8 NC/32HW32"), tensors and kernels ("…_i8i8_…").
TYPES = {
    "int8": r"int8|i8i8|s8s8|imma",
    "fp8": r"fp8|e4m3",
    "bfloat16": r"bf16|bfloat16",
    "float16": r"fp16|half|float16|f16f16|h\d+",
    "float32": r"fp32|float|float32|f32f32|tf32",
}
MULTIPLIERS = re.compile(r"conv|gemm|fprop|matmul|matrix_multiply|matrixmultiply|mma", re.IGNORECASE)
WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def multiplications(model: onnx.ModelProto) -> dict[str, int]:
    """Multiply-adds per image of each Conv, ConvTranspose, Gemm and MatMul with constant weights, by node name."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    shapes = {v.name: _dimensions(v) for v in [*graph.input, *graph.value_info, *graph.output]}
    weights = {i.name: tuple(i.dims) for i in graph.initializer}
    for node in graph.node:  # a weight may reach its node through DequantizeLinear or Cast
        if node.input and node.input[0] in weights and len(node.output) == 1:
            weights.setdefault(node.output[0], weights[node.input[0]])
    return {
        node.name: _per_position(node, weights[node.input[1]]) * _positions(node, shapes)
        for node in graph.node
        if node.op_type in WEIGHTED and node.input[1] in weights
    }


def _per_position(node: onnx.NodeProto, weight: tuple[int, ...]) -> int:
    return int(np.prod(weight))


def _positions(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Places at which the whole weight is applied: a convolution's output pixels (a transposed one's input pixels)."""
    if node.op_type not in ("Conv", "ConvTranspose"):
        return 1
    shape = shapes.get(node.input[0] if node.op_type == "ConvTranspose" else node.output[0], ())
    return int(np.prod([size for size in shape[2:] if size > 0])) if len(shape) > 2 else 1


def _dimensions(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(d.dim_value if d.HasField("dim_value") else -1 for d in value.type.tensor_type.shape.dim)


def summarize(information: str, macs: Mapping[str, int]) -> dict[str, Any] | None:
    """Layers and arithmetic per type, from the inspector's JSON and `macs`, multiply-adds by ONNX node.

    `layers` counts layers by the type of what they read, `multipliers` those that multiply (convolutions, matrix
    products), `compute_share` shares the multiply-adds of the ONNX nodes that can be found in a layer's text; None if
    none can. None where the inspector tells nothing of types.
    """
    layers = [layer for layer in json.loads(information).get("Layers", []) if isinstance(layer, dict)]
    typed = [(layer, _type_of(layer)) for layer in layers]
    if not any(kind for _, kind in typed):
        return None
    found = _share(typed, macs)
    return {
        "layers": dict(Counter(kind or "unknown" for _, kind in typed)),
        "multipliers": dict(Counter(kind or "unknown" for layer, kind in typed if _multiplies(layer))),
        "compute_share": found,
    }


def _type_of(layer: Mapping[str, Any]) -> str | None:
    """The narrowest type among what the layer reads; a kernel's own name decides where the layer has one."""
    kernel = f"{layer.get('TacticName', '')}"
    formats = " ".join(_formats(layer.get("Inputs", [])))
    for text in (formats, kernel):
        for kind, names in TYPES.items():
            if re.search(rf"(?<![a-z0-9])(?:{names})(?![a-z0-9])", text.replace("_", " "), re.IGNORECASE):
                return kind
    return None


def _formats(tensors: Any) -> Iterable[str]:
    for tensor in tensors if isinstance(tensors, list) else []:
        if isinstance(tensor, dict):
            yield str(tensor.get("Format/Datatype", tensor.get("Datatype", "")))


def _multiplies(layer: Mapping[str, Any]) -> bool:
    return bool(MULTIPLIERS.search(" ".join(str(layer.get(key, "")) for key in ("LayerType", "Name", "TacticName"))))


def _share(typed: list[tuple[Any, str | None]], macs: Mapping[str, int]) -> dict[str, float] | None:
    done: Counter[str] = Counter()
    for node, count in macs.items():
        text = re.compile(rf"(?<![\w/]){re.escape(node)}(?![\w/])")
        kinds = [kind for layer, kind in typed if _multiplies(layer) and text.search(_text(layer))]
        if kinds and kinds[0]:
            done[kinds[0]] += count
    total = sum(done.values())
    return {kind: count / total for kind, count in done.items()} if total else None


def _text(layer: Mapping[str, Any]) -> str:
    return f"{layer.get('Name', '')} {layer.get('Metadata', '')}"
