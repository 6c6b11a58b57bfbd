"""Pixels that numbers scale and move lie on a grid already: a float .tflite model whose first grid is that one.

What rounds `image × scale + offset` to 8 bits then rounds nothing, as on ONNX Runtime (`backend.onnxrt.pixels`). Where
the offset is no whole number of steps, as in `image / 127.5 - 1`, the offset becomes the nearest, and the convolutions
that read the pixels take the rest, at most half a step, into their biases; at a padded border they are off by that.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from roundoff.backend.tflite.observing import CONVOLUTIONS, Ends
from roundoff.export.tflite_graph import TfliteGraph

EXACT = 1e-4
"""Of a step: a rest below it is the rounding of float32."""
LAST_CODE = 255


@dataclass(frozen=True)
class _Pixels:
    """The tensor of the scaled pixels and the operator that moved them; their step, the code of 0, what is left."""

    tensor: int
    moved_by: Any
    step: float
    zero: int
    rest: float


def with_pixels_on_a_grid(content: bytes, floats: Collection[str]) -> tuple[bytes, dict[str, Ends]]:
    """The model, and the ends of the pixels' grid by the name of their tensor; as it was, and none, without a grid.

    Nor is there one where an operator that gives one of those `floats` reads the pixels.
    """
    graph = TfliteGraph.read(content)
    pixels = _pixels(graph)
    read_by = _readers(graph, pixels.tensor) if pixels else []
    if pixels is None or any(graph.name(int(tensor)) in floats for each in read_by for tensor in each.outputs):
        return content, {}
    ends = -pixels.zero * pixels.step, (LAST_CODE - pixels.zero) * pixels.step
    if pixels.rest:
        _move(graph, pixels)
    return graph.packed(), {graph.name(pixels.tensor): ends}


def _pixels(graph: TfliteGraph) -> _Pixels | None:
    tensor, scale, offset, last = graph.inputs[0], 1.0, 0.0, None
    while len(readers := _readers(graph, tensor)) == 1 and (step := _step(graph, readers[0], tensor)) is not None:
        tensor, last = int(readers[0].outputs[0]), readers[0]
        scale, offset = scale * step[0], offset * step[0] + step[1]
    if graph.kind(tensor) != "FLOAT32" or scale <= 0 or last is None:
        return None
    zero = -offset / scale
    code = int(np.rint(zero))
    rest = zero - code if abs(zero - code) > EXACT else 0.0
    may_move = graph.operator(last) == "ADD" and all(_takes_rest(graph, each) for each in _readers(graph, tensor))
    return _Pixels(tensor, last, scale, code, rest) if 0 <= code <= LAST_CODE and (may_move or not rest) else None


def _readers(graph: TfliteGraph, tensor: int) -> list[Any]:
    return [each for each in graph.operators if tensor in map(int, each.inputs)]


def _step(graph: TfliteGraph, operator: Any, taken: int) -> tuple[float, float] | None:
    """What the operator multiplies with and adds; None for one that does anything else."""
    kind = graph.operator(operator)
    if kind == "CAST":
        return 1.0, 0.0
    fixed = [graph.constant(int(each)) for each in operator.inputs if int(each) != taken]
    if kind not in ("MUL", "ADD") or len(fixed) != 1 or fixed[0] is None or fixed[0].size != 1:
        return None
    number = float(fixed[0].reshape(()))
    return (number, 0.0) if kind == "MUL" else (1.0, number)


def _takes_rest(graph: TfliteGraph, operator: Any) -> bool:
    if graph.operator(operator) not in CONVOLUTIONS or len(operator.inputs) < 3:
        return False
    return all(graph.constant(int(each)) is not None for each in operator.inputs[1:3])


def _move(graph: TfliteGraph, pixels: _Pixels) -> None:
    """Shift the pixels by the rest, and the biases of what reads them back."""
    shift = pixels.rest * pixels.step
    slot = next(i for i, each in enumerate(pixels.moved_by.inputs) if graph.constant(int(each)) is not None)
    held = graph.constant(int(pixels.moved_by.inputs[slot]))
    assert held is not None  # or the pixels were not found
    graph.set_constant(pixels.moved_by, slot, (held.astype(np.float64) + shift).astype(np.float32))
    for each in _readers(graph, pixels.tensor):
        weight, bias = (graph.constant(int(tensor)) for tensor in each.inputs[1:3])
        assert weight is not None  # by _takes_rest, and so is the bias
        assert bias is not None
        axes = (0, 1, 2) if graph.operator(each) == "DEPTHWISE_CONV_2D" else (1, 2, 3)
        sums = weight.astype(np.float64).sum(axes)
        graph.set_constant(each, 2, (bias.astype(np.float64) - shift * sums).astype(np.float32))
