"""Layer normalization and GELU put together again, which Keras and tf2onnx take to pieces.

Runtimes have a kernel for each, and know PyTorch's way of writing them alone. In Keras', layer normalization is
x·g + (β − mean·g), where g is γ ÷ √(variance + ε), and GELU is x ÷ 2 · (1 − erf(−x ÷ √2)). As one operator a layer
normalization has no step inside that overflows in a narrow type or is rounded to 8 bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from roundoff.export.pieces import Pieces
from roundoff.graph.inside import drop_unread

OPSET = 17
"""The first that has LayerNormalization."""


@dataclass(frozen=True)
class _Normalization:
    """What a layer normalization takes, γ and β where it has them, and which of how many axes is normalized."""

    taken: str
    gamma: onnx.TensorProto | None
    beta: onnx.TensorProto | None
    size: int
    epsilon: float
    axis: int
    rank: int

    @property
    def turn(self) -> list[int]:
        """The order of axes that has the normalized one last."""
        return [*(axis for axis in range(self.rank) if axis != self.axis), self.axis]


def composed(model: onnx.ModelProto) -> None:
    """Put LayerNormalization, and GELU in PyTorch's words, in place of their pieces; shapes must be inferred."""
    if next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")) < OPSET:
        return
    graph, pieces = model.graph, Pieces(model.graph)
    nodes, turns = list(graph.node), dict[str, tuple[list[int], str]]()
    del graph.node[:]
    for node in nodes:
        name = node.output[0] if node.output else ""
        if (found := _normalization(pieces, name)) is not None:
            graph.node.extend(_layer_normalization(graph, name, found, turns))
        elif taken := _gelu(pieces, name):
            graph.node.extend(_pytorch_gelu(graph, name, taken))
        else:
            graph.node.append(node)
    _undo_turns(graph, turns)
    drop_unread(graph)


def _normalization(pieces: Pieces, last: str) -> _Normalization | None:
    """x·g + (β − mean·g), with β or without, if that makes the tensor."""
    for scaled, moved in pieces.pairs(last, "Add"):
        product, beta = pieces.with_constant(moved, "Add") or (moved, None)
        for negative, g in pieces.pairs(product, "Mul"):
            mean = pieces.made(pieces.only(negative, "Neg"), "ReduceMean")
            if mean is not None and (mean.input[0], g) in pieces.pairs(scaled, "Mul"):
                return _scaled(pieces, mean, g, beta)
    return None


def _scaled(pieces: Pieces, mean: onnx.NodeProto, g: str, beta: onnx.TensorProto | None) -> _Normalization | None:
    """The whole, if g is γ ÷ √(variance about that mean + ε), with γ or 1."""
    taken, axis = str(mean.input[0]), _axis(pieces, mean)
    sizes, (inverse, gamma) = pieces.sizes(taken), pieces.with_constant(g, "Mul") or (g, None)
    if axis is None or not -len(sizes) <= axis < len(sizes):
        return None
    safe = pieces.with_constant(pieces.only(pieces.only(inverse, "Reciprocal"), "Sqrt"), "Add")
    epsilon = pieces.number(safe[1].name) if safe else None
    variance = pieces.made(safe[0], "ReduceMean") if safe else None
    if epsilon is None or variance is None or _axis(pieces, variance) != axis:
        return None
    distances = {a for a, b in pieces.pairs(variance.input[0], "Mul") if a == b}
    about = [pieces.made(name, "Sub") for name in distances]
    if not about or about[0] is None or list(about[0].input) != [taken, mean.output[0]]:
        return None
    size, place = sizes[axis], axis % len(sizes)
    fits = all(_is_along(each, place - len(sizes), size) for each in (gamma, beta) if each is not None)
    return _Normalization(taken, gamma, beta, size, epsilon, place, len(sizes)) if size and fits else None


def _axis(pieces: Pieces, mean: onnx.NodeProto) -> int | None:
    """The one axis that a ReduceMean is over, if it keeps it."""
    kept = all(each.i == 1 for each in mean.attribute if each.name == "keepdims")
    axis = pieces.number(mean.input[1]) if kept and len(mean.input) > 1 else None
    return None if axis is None else int(axis)


def _is_along(tensor: onnx.TensorProto, axis: int, size: int) -> bool:
    """Whether a constant has that size along that axis, counted from the last, and varies along no other."""
    return -axis <= len(tensor.dims) and tensor.dims[axis] == math.prod(tensor.dims) == size


def _gelu(pieces: Pieces, last: str) -> str | None:
    """What x ÷ 2 · (1 − erf(−x ÷ √2)) takes, if that makes the tensor."""
    for half, complement in pieces.pairs(last, "Mul"):
        halved, less = pieces.with_constant(half, "Mul"), pieces.made(complement, "Sub")
        if halved is None or less is None or not pieces.is_number(halved[1].name, 0.5):
            continue
        turned = pieces.with_constant(pieces.only(less.input[1], "Erf"), "Mul")
        root = turned is not None and pieces.is_number(turned[1].name, math.sqrt(0.5))
        if turned and root and pieces.is_number(less.input[0], 1.0) and pieces.only(turned[0], "Neg") == halved[0]:
            return halved[0]
    return None


def _layer_normalization(
    graph: onnx.GraphProto, name: str, found: _Normalization, turns: dict[str, tuple[list[int], str]]
) -> Iterator[onnx.NodeProto]:
    """The operator, which normalizes the last axes: another one is turned there and back."""
    ones = numpy_helper.from_array(np.ones(found.size, np.float32))
    constants = [_flat(graph, found.gamma or ones, f"{name}/scale")]
    if found.beta is not None:
        constants.append(_flat(graph, found.beta, f"{name}/bias"))
    last = found.axis == found.rank - 1
    taken, made = (found.taken, name) if last else (f"{name}/turned", f"{name}/normalized")
    if not last:
        yield helper.make_node("Transpose", [found.taken], [taken], taken, perm=found.turn)
    yield helper.make_node("LayerNormalization", [taken, *constants], [made], made, axis=-1, epsilon=found.epsilon)
    if not last:
        turns[name] = (found.turn, made)
        back = [found.turn.index(axis) for axis in range(found.rank)]
        yield helper.make_node("Transpose", [made], [name], name, perm=back)


def _undo_turns(graph: onnx.GraphProto, turns: dict[str, tuple[list[int], str]]) -> None:
    """Read a normalized tensor as it is where it would be turned back and then again."""
    renamed: dict[str, str] = {}
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        if node.op_type == "Transpose" and node.input[0] in turns:
            turn, made = turns[node.input[0]]
            if [list(each.ints) for each in node.attribute if each.name == "perm"] == [turn]:
                renamed[node.output[0]] = made


def _flat(graph: onnx.GraphProto, tensor: onnx.TensorProto, name: str) -> str:
    """The initializer as one axis, under a new name."""
    flat = graph.initializer.add()
    flat.CopyFrom(tensor)
    flat.name, flat.dims[:] = name, [math.prod(tensor.dims)]
    return name


def _pytorch_gelu(graph: onnx.GraphProto, name: str, taken: str) -> Iterator[onnx.NodeProto]:
    """x · (1 + erf(x ÷ √2)) ÷ 2, in that order."""
    numbers = {f"{name}/root": math.sqrt(2), f"{name}/one": 1.0, f"{name}/half": 0.5}
    root, one, half = numbers
    graph.initializer.extend(
        numpy_helper.from_array(np.array(value, np.float32), key) for key, value in numbers.items()
    )
    inside = [f"{name}/{step}" for step in ("divided", "erf", "added", "multiplied")]
    yield helper.make_node("Div", [taken, root], [inside[0]], inside[0])
    yield helper.make_node("Erf", [inside[0]], [inside[1]], inside[1])
    yield helper.make_node("Add", [inside[1], one], [inside[2]], inside[2])
    yield helper.make_node("Mul", [taken, inside[2]], [inside[3]], inside[3])
    yield helper.make_node("Mul", [inside[3], half], [name], name)
