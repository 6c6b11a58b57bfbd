"""Weights rounded on purpose: what that alone changes in the answers is what a type costs a network at least."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from roundoff.graph.difference import relative_error

Weights = NDArray[np.float32]
MANTISSA, MAGNITUDE = 23, np.uint32(0x7FFFFFFF)  # float32's bits
DROPPED_BITS = 13  # of these TF32 keeps 10
RANK = 2  # that a weight has at least
MOST_OF_ROUNDING = 4  # times what rounding the weights alone costs: what they are multiplied with is rounded, too


def explained(cost: float, most: float) -> float:
    """The error that rounding explains where rounding the weights alone has this `cost`: 4 times it, at most `most`.

    Nothing where the cost is no finite number.
    """
    return min(MOST_OF_ROUNDING * cost, most) if math.isfinite(cost) else 0.0


def cost(
    graph: Path, rounded: Callable[[Weights], Weights], answers: Callable[[bytes], Weights], exact: Weights
) -> float:
    """‖z' − z‖ ÷ ‖z‖ of the logits: z is `exact`, z' what the graph `answers` with its weights `rounded`."""
    model = onnx.load(graph)
    round_weights(model, rounded)
    return relative_error(answers(model.SerializeToString()), exact)


def round_weights(model: onnx.ModelProto, rounded: Callable[[Weights], Weights]) -> None:
    """Put `rounded` of each float32 initializer of two or more dimensions in its place.

    Others are no weights, but may be an exponent or the factors of a Resize, of which other values are another network.
    """
    for weights in model.graph.initializer:
        if weights.data_type == onnx.TensorProto.FLOAT and len(weights.dims) >= RANK:
            weights.CopyFrom(numpy_helper.from_array(rounded(numpy_helper.to_array(weights)), weights.name))


def to_neighbours(bits: int = MANTISSA) -> Callable[[Weights], Weights]:
    """Each up or down by a unit of the last of `bits` bits of mantissa, at random; 0 and what is not finite stay.

    With float32's own 23 bits this is the next float32.
    """
    random = np.random.default_rng(0)
    unit = np.uint32(1 << (MANTISSA - bits))

    def moved(values: Weights) -> Weights:
        code = np.ascontiguousarray(values).view(np.uint32)  # sign and magnitude
        up = random.random(values.shape) < 0.5
        shrinks = ~up & ((code & MAGNITUDE) >= unit)
        other = np.where(up, code + unit, np.where(shrinks, code - unit, code)).view(np.float32)
        keeps = (values == 0) | ~np.isfinite(values) | ~np.isfinite(other)
        return np.where(keeps, values, other).reshape(values.shape)

    return moved


def to_tf32(values: Weights) -> Weights:
    """Finite float32 rounded to ten bits of mantissa, to the nearest, ties to even; what is not finite stays."""
    bits = np.ascontiguousarray(values).view(np.uint32).astype(np.uint64)
    half, odd = (1 << (DROPPED_BITS - 1)) - 1, (bits >> np.uint64(DROPPED_BITS)) & np.uint64(1)
    cut = ((bits + np.uint64(half) + odd) >> np.uint64(DROPPED_BITS)) << np.uint64(DROPPED_BITS)
    rounded = cut.astype(np.uint32).view(np.float32).reshape(values.shape)
    return np.where(np.isfinite(values), rounded, values)
