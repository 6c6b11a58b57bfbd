"""Where quantize/dequantize pairs stand: rules over the FP32 graph. docs/calibration.md says what each gains.

1. What feeds a Conv, ConvTranspose, Gemm or MatMul with a constant weight is quantized, and the weight: these are the
   operators with 8-bit kernels, and nearly all of the arithmetic.
2. Of a residual Add's inputs, the branch that does not come straight from a quantized Conv is quantized: then TensorRT
   fuses Conv, Add and ReLU into one kernel that reads the skip connection in 8 bits. A pair behind the Conv would split
   it; where no quantized Conv feeds the Add there is nothing to fuse, and no pair.
3. Nothing else: not pooling, Softmax or element-wise arithmetic, whose 8-bit versions lose accuracy and gain no time.
4. Kernels that cannot fuse an Add (CPU libraries) are 8-bit kernels only where their output is in 8 bits as well; else
   they multiply floats and dequantize the weights at run time. There what a quantized Conv or Gemm gives has a pair,
   its ReLU folded; and between two of them so has each link of a chain of operators with 8-bit kernels
   (`graph.links`). A product with one number is the same codes on another grid, and costs nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import numpy as np
import onnx
from numpy.typing import NDArray

from roundoff.errors import BuildError
from roundoff.graph.queries import activations, constants, weighted_nodes
from roundoff.precision.rewriting.by_channel import as_convolutions
from roundoff.precision.rewriting.chains import Chains, chains

SCALED = ("Add", "Mul")
"""Chained operators that may take a constant, which is one number."""


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


@dataclass(frozen=True)
class Plan:
    """Where pairs stand: sites of activations and of weights, and what chains of 8-bit kernels need beside them.

    `grids` names the tensor whose range another one has. `scalars` are sites of constants with one value. `rescaled`
    has, for the node at that place of the list, the number that it multiplies with.
    """

    inputs: list[Site]
    weights: list[Site]
    grids: Mapping[str, str] = field(default_factory=dict)
    scalars: list[Site] = field(default_factory=list)
    rescaled: Mapping[int, float] = field(default_factory=dict)


def plan(model: onnx.ModelProto, placement: Placement, observed: Collection[str] | None = None) -> Plan:
    """The places of pairs by these rules; raises BuildError for an exclusion that names no candidate.

    Without being `observed` (None: all are) no tensor but a weighted node's has a pair.
    """
    weighted = weighted_nodes(model)
    excluded, without = _excluded(model, placement, weighted)
    if not placement.first_layer:
        excluded |= set(weighted[:1])
    if not placement.last_layer:
        excluded |= set(weighted[-1:])
    nodes = model.graph.node
    if not placement.depthwise:
        known = constants(model)
        excluded |= {index for index in weighted if _is_depthwise(nodes[index], known)}
    kept = [index for index in weighted if index not in excluded]
    weights = [Site(index, 1, nodes[index].input[1]) for index in kept]
    if not placement.fuses_add:
        ends = excluded | (set() if placement.residual else set(_adds(model)))
        return _chained(model, chains(model, kept, ends, without, observed), kept, weights)
    inputs = [Site(index, 0, nodes[index].input[0]) for index in kept]
    if placement.residual:
        inputs += [site for site in _residual(model, kept) if site.node not in excluded]
    return Plan(inputs, weights)


def tensors(model: onnx.ModelProto, placement: Placement) -> set[str]:
    """Names of the activations and weights that get pairs."""
    sites = plan(model if placement.fuses_add else as_convolutions(model), placement)
    return {site.tensor for places in (sites.inputs, sites.weights) for site in places}


def _chained(model: onnx.ModelProto, chains: Chains, kept: Collection[int], weights: list[Site]) -> Plan:
    """The sites of what is in 8 bits: all where an 8-bit node gives it, else those where an 8-bit node takes it."""
    known, nodes = constants(model), model.graph.node
    rescaled = {i: chains.rescaled[node.output[0]] for i, node in enumerate(nodes) if node.output[0] in chains.rescaled}
    chained = {i for i, node in enumerate(nodes) if node.output[0] in chains.chained}
    every = [Site(index, slot, name) for index, node in enumerate(nodes) for slot, name in enumerate(node.input)]

    def takes(site: Site) -> bool:
        return site.node in chained or site.node in rescaled or (site.node in kept and site.slot == 0)

    inputs = [site for site in every if site.tensor in chains.given or (site.tensor in chains.grids and takes(site))]
    numbers = [i for i in chained if nodes[i].op_type in SCALED]
    scalars = [site for site in every if site.node in numbers and site.tensor in known]
    return Plan(inputs, weights, chains.grids, scalars, rescaled)


def _adds(model: onnx.ModelProto) -> list[int]:
    moving = activations(model)
    return [
        index
        for index, node in enumerate(model.graph.node)
        if node.op_type == "Add" and len(set(node.input)) == 2 and moving.issuperset(node.input)
    ]


def _residual(model: onnx.ModelProto, quantized: Sequence[int]) -> list[Site]:
    """Sites of the Adds that one of the nodes `quantized` feeds directly."""
    nodes = model.graph.node
    producers = {nodes[index].output[0]: nodes[index] for index in quantized}
    uses = Counter(name for node in nodes for name in node.input)
    sites = []
    for index in _adds(model):
        names = nodes[index].input
        direct = [slot for slot in (0, 1) if names[slot] in producers and uses[names[slot]] == 1]
        if direct:
            fused = max(direct, key=lambda slot: _kernel(producers[names[slot]]))
            sites += [Site(index, 1 - fused, names[1 - fused])]
    return sites


def _kernel(node: onnx.NodeProto) -> int:
    """Kernel area: of two Convs that meet in an Add the larger one is fused, the 1x1 projection is the branch."""
    shape = next((list(a.ints) for a in node.attribute if a.name == "kernel_shape"), [1])
    return shape[0] * shape[-1]


def _is_depthwise(node: onnx.NodeProto, known: Mapping[str, NDArray[np.generic]]) -> bool:
    groups = next((a.i for a in node.attribute if a.name == "group"), 1)
    return node.op_type == "Conv" and groups > 1 and known[node.input[1]].shape[1] == 1


def _excluded(model: onnx.ModelProto, placement: Placement, weighted: Sequence[int]) -> tuple[set[int], set[str]]:
    """The places of the nodes, and the tensors, that the exclusions name, whichever kernels the graph is for."""
    if not placement.exclude_nodes and not placement.exclude_types:
        return set(), set()
    reached = chains(model, weighted)
    chained = [i for i, node in enumerate(model.graph.node) if node.output[0] in reached.chained]
    candidates = {index: model.graph.node[index] for index in (*weighted, *_adds(model), *chained)}
    excluded, without = set[int](), set[str]()
    for pattern in placement.exclude_nodes:
        matching = {i for i, node in candidates.items() if _named(node, pattern)}
        named = {name for name in reached.grids if _is_called(name, pattern)}
        _require(pattern, matching or named, candidates)
        excluded, without = excluded | matching, without | named
    for op_type in placement.exclude_types:
        matching = {index for index, node in candidates.items() if node.op_type == op_type}
        _require(op_type, matching, candidates)
        excluded |= matching
    return excluded, without


def _named(node: onnx.NodeProto, pattern: str) -> bool:
    """Whether the node, its activation or its weight has such a name; biases are not quantized and do not count."""
    return any(_is_called(name, pattern) for name in (node.name, *list(node.input)[:2]))


def _is_called(name: str, pattern: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern)


def _require(pattern: str, matching: Collection[object], candidates: Mapping[int, onnx.NodeProto]) -> None:
    if not matching:
        names = sorted(f"{node.name} ({node.op_type})" for node in candidates.values())
        raise BuildError(
            "an exclusion matches no node that could be quantized, nor a tensor that one takes",
            received=pattern,
            expected="a name, pattern or type of one of: " + ", ".join(names),
            fix=f"take {pattern} out of the precision's exclude_nodes and exclude_types, or write it as the graph does",
        )
