"""What an engine computes in, from TensorRT's engine inspector and the multiplications of the ONNX graph."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from roundoff.errors import GateError

# The first that matches counts: TensorRT's words for types, narrowest first.
TYPES = {
    "int8": r"int8",
    "float8_e4m3fn": r"fp8|fp8_?e4m3|e4m3",
    "bfloat16": r"bfloat16|bf16",
    "float16": r"half|fp16|float16",
    "float32": r"float|fp32|float32",
    "uint8": r"uint8",
}
MULTIPLIERS = re.compile(r"correlation|conv|gemm|matmul|matrix.?multiply|runtime_fusion", re.IGNORECASE)
UNKNOWN = "unknown"
WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
LOG_HEADING = "Layers:\n"
LOG_LAYER = re.compile(
    r"^Name: (?P<Name>.*?), LayerType: (?P<LayerType>[^,]*), Inputs: \[(?P<Inputs>.*?)\], "
    r"(?:Constants|Outputs): .*?, TacticName: .*?(?:, Metadata: (?P<Metadata>.*))?$"
)


@dataclass(frozen=True)
class Layer:
    """One layer of an engine: the types that it reads (NumPy's names), and the ONNX nodes that it comes from."""

    kind: str
    reads: str | None
    nodes: frozenset[str]

    @property
    def multiplies(self) -> bool:
        """Whether it is a convolution or a matrix product."""
        return bool(MULTIPLIERS.search(self.kind))


def layers_from_log(message: str) -> list[Layer]:
    """Layers from the listing that TensorRT-RTX logs at the end of a build, each on its own line."""
    matches = (LOG_LAYER.match(line) for line in message.splitlines())
    found = [m.groupdict() for m in matches if m]
    return [
        _layer(
            one["LayerType"], " ".join(re.findall(r"Datatype: ([^,}]+)", one["Inputs"])), one["Name"], one["Metadata"]
        )
        for one in found
    ]


def layers_from_inspector(information: str) -> list[Layer]:
    """Layers from the engine inspector's JSON; none where it was built to tell names only."""
    entries = [entry for entry in json.loads(information).get("Layers", []) if isinstance(entry, dict)]
    return [
        _layer(
            str(entry.get("LayerType", "")),
            _formats(entry),
            str(entry.get("Name", "")),
            entry.get("Metadata"),
        )
        for entry in entries
    ]


def _formats(entry: Mapping[str, Any]) -> str:
    """What the inputs are in; where that is not known (without a context: "N/A due to dynamic shapes"), the weights."""
    inputs, weights = entry.get("Inputs"), entry.get("Weights")
    tensors = [one for one in inputs if isinstance(one, dict)] if isinstance(inputs, list) else []
    words = " ".join(str(one.get("Datatype") or one.get("Format/Datatype") or "") for one in tensors)
    if _type(words) is None and isinstance(weights, dict):
        return str(weights.get("Type", ""))
    return words


def _type(words: str) -> str | None:
    """The narrowest of the types that are named."""
    words = words.replace("_", " ")
    return next(
        (t for t, names in TYPES.items() if re.search(rf"(?<![a-z0-9])(?:{names})(?![a-z0-9])", words, re.IGNORECASE)),
        None,
    )


def _layer(kind: str, formats: str, name: str, metadata: str | None) -> Layer:
    nodes = re.findall(r"\[ONNX Layer: ([^\]]*)\]", metadata or "")
    return Layer(kind, _type(formats), frozenset([*nodes, name]))


def summarize(layers: Sequence[Layer], macs: Mapping[str, int]) -> dict[str, Any]:
    """What the engine computes in.

    `layer_types`: convolutions and matrix products by the type of what they read (the narrowest); `all_layer_types`:
    all layers that read something; `compute_share`: the share of each type in the multiply-adds `macs` (by ONNX node)
    of the nodes that layers name, None if they name none; `note`: `layer_types` in words, None if all are alike.
    """
    types = dict(Counter(layer.reads or UNKNOWN for layer in layers if layer.multiplies))
    every = dict(Counter(layer.reads for layer in layers if layer.reads))
    words = ", ".join(f"{count} in {kind}" for kind, count in types.items())
    return {
        "layer_types": types,
        "all_layer_types": every,
        "compute_share": _share(layers, macs),
        "note": f"convolutions and matrix products: {words}" if len(types) > 1 else None,
    }


def _share(layers: Sequence[Layer], macs: Mapping[str, int]) -> dict[str, float] | None:
    done: Counter[str] = Counter()
    for node, count in macs.items():
        kinds = [layer.reads for layer in layers if layer.multiplies and node in layer.nodes and layer.reads]
        if kinds:
            done[kinds[0]] += count
    total = sum(done.values())
    return {kind: count / total for kind, count in done.items()} if total else None


def decides(layer_types: Mapping[str, int] | None) -> bool:
    """Whether the types of all layers that multiply are known."""
    return bool(layer_types) and UNKNOWN not in (layer_types or {})


def refuse_false_claim(claimed: Iterable[str], summary: Mapping[str, Any] | None) -> None:
    """GateError for an engine that claims an 8-bit type and multiplies in it nowhere.

    No verdict where there are no layers, or layers of unknown type: the inspector knows more once a context is set.
    """
    if not summary or not decides(summary["layer_types"]):
        return
    for kind in {"int8", "float8_e4m3fn"}.intersection(claimed):
        if kind not in summary["layer_types"]:
            raise GateError(
                f"an engine that claims {kind} has no layer that multiplies in it",
                received=summary["layer_types"],
                expected=f"at least one convolution or matrix product that reads {kind}",
                fix="leave this precision out for this backend: TensorRT dequantizes before it computes here",
            )


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
