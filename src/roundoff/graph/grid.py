"""The arithmetic of integer grids: scales, zero points, rounding, and weights per output channel.

A code q stands for (q - zero_point) * scale; rounding is half to even, as ONNX's QuantizeLinear defines it.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

Floats = NDArray[np.float32]
CODES = {"int8": (-128, 127), "uint8": (0, 255)}


def grid_for(
    low: float, high: float, dtype: Literal["int8", "uint8"], symmetric: bool, stored_as: DTypeLike = np.float32
) -> tuple[np.float32, int]:
    """Scale and zero point that cover [low, high] and zero; an empty range gets scale 1.

    Symmetric: scale is max(|low|, |high|) / 127 and the zero point 0 (int8) or 128 (uint8). Otherwise all 256 codes
    span [min(low, 0), max(high, 0)], and the zero point is the code nearest to zero: zero is represented exactly.
    The scale is a value of the type `stored_as`.
    """
    first, last = CODES[dtype]
    if symmetric:
        peak = max(abs(low), abs(high))
        return _scale(peak / 127, stored_as), first + 128
    low, high = min(low, 0.0), max(high, 0.0)
    scale = _scale((high - low) / 255, stored_as)
    return scale, int(np.clip(np.rint(first - low / scale), first, last))


def fake_quantize(values: Floats, scale: np.float32 | Floats, zero_point: int = 0, dtype: str = "int8") -> Floats:
    """What `values` become after quantizing and dequantizing; float32 of the same shape."""
    first, last = CODES[dtype]
    codes = np.clip(np.rint(values / scale) + zero_point, first, last)
    return np.asarray((codes - zero_point) * scale, dtype=np.float32)


def weight_scales(
    weight: Floats, axis: int | None, largest: float = 127, least: Floats | float = 0, stored_as: DTypeLike = np.float32
) -> Floats:
    """Symmetric scales, float32 [channels] along `axis` or [] for the whole tensor, that put its peak at `largest`.

    None is below `least`, [channels] or []; a channel of zeros without one gets 1. All are values of the type
    `stored_as`, rounded up: rounded down, the peak would lie beyond the largest code.
    """
    others = None if axis is None else tuple(i for i in range(weight.ndim) if i != axis % weight.ndim)
    peaks = np.abs(weight).max(axis=others).astype(np.float64)
    scales = rounded_up(np.asarray(np.maximum(peaks / largest, least)), stored_as)
    return np.where(scales == 0, np.float32(1), scales)


def rounded_up(scales: NDArray[np.float64], stored_as: DTypeLike) -> Floats:
    """Values of a floating-point type that are no smaller but by a millionth, as float32.

    So float32 itself rounds to nearest, other than where it is subnormal.
    """
    near = scales.astype(stored_as)
    smaller = near.astype(np.float64) < scales * (1 - 1e-6)
    return np.where(smaller, np.nextafter(near, near.dtype.type(np.inf)), near).astype(np.float32)


def along(scales: Floats, rank: int, axis: int | None) -> Floats:
    """`scales` shaped to broadcast against a tensor of `rank` dimensions along `axis`."""
    if axis is None:
        return scales
    shape = [1] * rank
    shape[axis % rank] = len(scales)
    return scales.reshape(shape)


def weight_axis(op_type: str, rank: int, transposed: bool = False, groups: int = 1) -> int | None:
    """The output channel axis of an operator's weight; None where one scale must serve the whole tensor.

    Conv [out, in, …]: 0. ConvTranspose [in, out, …]: 1 without groups. Gemm [in, out]: 1, or 0 if `transposed`.
    MatMul [in, out]: 1.
    """
    if op_type == "Conv":
        return 0
    if op_type == "ConvTranspose":
        return 1 if groups == 1 else None
    if op_type == "Gemm":
        return 0 if transposed else 1
    return 1 if rank == 2 else None


def _scale(value: float, stored_as: DTypeLike) -> np.float32:
    scale = np.float32(rounded_up(np.asarray(value, np.float64), stored_as))
    return scale if scale > 0 else np.float32(1)
