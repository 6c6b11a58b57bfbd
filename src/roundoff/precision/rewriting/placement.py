"""Where quantize/dequantize pairs stand: rules over the FP32 graph. docs/calibration.md says what each gains.

1. What feeds a Conv, ConvTranspose, Gemm or MatMul with a constant weight is quantized, and the weight: these are the
   operators with 8-bit kernels, and nearly all of the arithmetic.
2. Of a residual Add's inputs, the branch that does not come straight from a quantized Conv is quantized: then TensorRT
   fuses Conv, Add and ReLU into one kernel that reads the skip connection in 8 bits. A pair behind the Conv would split
   it; where no quantized Conv feeds the Add there is nothing to fuse, and no pair.
   Kernels that cannot fuse an Add (CPU libraries) have an integer Add instead: there both inputs are quantized, and the
   Conv in front keeps its 8-bit output; ResNet-8 ran at 0.7 times FP32's speed without this and at 1.9 times with it.
3. Nothing else: not pooling, Softmax or element-wise arithmetic, whose 8-bit versions lose accuracy and gain no time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import onnx
from numpy.typing import NDArray

from roundoff.errors import BuildError
from roundoff.graph.queries import WEIGHTED, activations, constants


@dataclass(frozen=True)
class Placement:
    """The switches of the rules; `fuses_add` says whether the kernels fuse an Add into the Conv before it.

    `exclude_nodes` are names (with * and ?) of nodes that the rules know and of tensors that these take: an exported
    graph calls a tensor by the node that gives it, so a name stands for both. `exclude_types` are operator types.
    Without `depthwise`, convolutions of each channel by itself are left out.
    """

    first_layer: bool = True
    last_layer: bool = False
    residual: bool = True
    exclude_nodes: Sequence[str] = ()
    exclude_types: Sequence[str] = ()
    fuses_add: bool = True
    depthwise: bool = True


@dataclass(frozen=True)
class Site:
    """The input number `slot` of the node at `node` in the graph's node list: a place for a pair."""

    node: int
    slot: int
    tensor: str


def sites(model: onnx.ModelProto, placement: Placement) -> tuple[list[Site], list[Site]]:
    """The places of activation pairs and of weights; raises BuildError for an exclusion that names no candidate."""
    weighted = _weighted(model)
    excluded = _excluded(model, placement, weighted)
    if not placement.first_layer:
        excluded |= set(weighted[:1])
    if not placement.last_layer:
        excluded |= set(weighted[-1:])
    nodes = model.graph.node
    if not placement.depthwise:
        known = constants(model)
        excluded |= {index for index in weighted if _is_depthwise(nodes[index], known)}
    kept = [index for index in weighted if index not in excluded]
    inputs = [Site(index, 0, nodes[index].input[0]) for index in kept]
    weights = [Site(index, 1, nodes[index].input[1]) for index in kept]
    if placement.residual:
        inputs += [site for site in _residual(model, kept, placement.fuses_add) if site.node not in excluded]
    return inputs, weights


def tensors(model: onnx.ModelProto, placement: Placement) -> set[str]:
    """Names of the activations and weights that get pairs."""
    return {site.tensor for places in sites(model, placement) for site in places}


def _weighted(model: onnx.ModelProto) -> list[int]:
    known, moving = constants(model), activations(model)
    return [
        index
        for index, node in enumerate(model.graph.node)
        if node.op_type in WEIGHTED and node.input[0] in moving and node.input[1] in known
    ]


def _adds(model: onnx.ModelProto) -> list[int]:
    moving = activations(model)
    return [
        index
        for index, node in enumerate(model.graph.node)
        if node.op_type == "Add" and len(set(node.input)) == 2 and moving.issuperset(node.input)
    ]


def _residual(model: onnx.ModelProto, quantized: Sequence[int], fuses_add: bool) -> list[Site]:
    """Sites of the Adds that one of the nodes `quantized` feeds directly."""
    nodes = model.graph.node
    producers = {nodes[index].output[0]: nodes[index] for index in quantized}
    uses = Counter(name for node in nodes for name in node.input)
    found = []
    for index in _adds(model):
        names = nodes[index].input
        direct = [slot for slot in (0, 1) if names[slot] in producers and (uses[names[slot]] == 1 or not fuses_add)]
        if direct:
            fused = max(direct, key=lambda slot: _kernel(producers[names[slot]])) if fuses_add else None
            found += [Site(index, slot, names[slot]) for slot in (0, 1) if slot != fused]
    return found


def _kernel(node: onnx.NodeProto) -> int:
    """Kernel area: of two Convs that meet in an Add the larger one is fused, the 1x1 projection is the branch."""
    shape = next((list(a.ints) for a in node.attribute if a.name == "kernel_shape"), [1])
    return shape[0] * shape[-1]


def _is_depthwise(node: onnx.NodeProto, known: Mapping[str, NDArray[np.generic]]) -> bool:
    groups = next((a.i for a in node.attribute if a.name == "group"), 1)
    return node.op_type == "Conv" and groups > 1 and known[node.input[1]].shape[1] == 1


def _excluded(model: onnx.ModelProto, placement: Placement, weighted: Sequence[int]) -> set[int]:
    candidates = {index: model.graph.node[index] for index in (*weighted, *_adds(model))}
    excluded: set[int] = set()
    for pattern in placement.exclude_nodes:
        found = {i for i, node in candidates.items() if _named(node, pattern)}
        excluded |= _required(pattern, found, candidates)
    for op_type in placement.exclude_types:
        found = {index for index, node in candidates.items() if node.op_type == op_type}
        excluded |= _required(op_type, found, candidates)
    return excluded


def _named(node: onnx.NodeProto, pattern: str) -> bool:
    """Whether the node, its activation or its weight has such a name; biases are not quantized and do not count."""
    return any(fnmatchcase(name, pattern) for name in (node.name, *list(node.input)[:2]))


def _required(pattern: str, found: set[int], candidates: Mapping[int, onnx.NodeProto]) -> set[int]:
    if not found:
        names = sorted(f"{node.name} ({node.op_type})" for node in candidates.values())
        raise BuildError(
            "an exclusion matches no node that could be quantized, nor a tensor that one takes",
            received=pattern,
            expected="a name, pattern or type of one of: " + ", ".join(names),
            fix=f"take {pattern} out of the precision's exclude_nodes and exclude_types, or write it as the graph does",
        )
    return found
