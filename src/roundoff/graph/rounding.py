"""Weights rounded on purpose: what that alone changes in the answers is what a type costs a network at least."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

Weights = NDArray[np.float32]
DROPPED_BITS = 13  # of float32's 23 bits of mantissa, TF32 keeps 10


def round_weights(model: onnx.ModelProto, rounded: Callable[[Weights], Weights]) -> None:
    """Put `rounded` of each float32 initializer in its place."""
    for weights in model.graph.initializer:
        if weights.data_type == onnx.TensorProto.FLOAT:
            weights.CopyFrom(numpy_helper.from_array(rounded(numpy_helper.to_array(weights)), weights.name))


def to_neighbours() -> Callable[[Weights], Weights]:
    """Each up or down to the next float32, at random; 0 and what is not finite stay."""
    random = np.random.default_rng(0)

    def moved(values: Weights) -> Weights:
        towards = np.where(random.random(values.shape) < 0.5, np.float32(-np.inf), np.float32(np.inf))
        keeps = (values == 0) | ~np.isfinite(values)
        return np.where(keeps, values, np.nextafter(values, towards))

    return moved


def to_tf32(values: Weights) -> Weights:
    """Finite float32 rounded to ten bits of mantissa, to the nearest, ties to even; what is not finite stays."""
    bits = np.ascontiguousarray(values).view(np.uint32).astype(np.uint64)
    half, odd = (1 << (DROPPED_BITS - 1)) - 1, (bits >> np.uint64(DROPPED_BITS)) & np.uint64(1)
    cut = ((bits + np.uint64(half) + odd) >> np.uint64(DROPPED_BITS)) << np.uint64(DROPPED_BITS)
    rounded = cut.astype(np.uint32).view(np.float32).reshape(values.shape)
    return np.where(np.isfinite(values), rounded, values)
