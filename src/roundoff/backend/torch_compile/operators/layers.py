"""Convolutions, poolings, products, normalizations and sums over axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from roundoff.backend.torch_compile.operators.table import operator

CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
TRANSPOSED = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}
MAX_POOLS = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}
MEAN_POOLS = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}


def padding_of(
    x: Any,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[int],
    auto_pad: str,
) -> list[tuple[int, int]]:
    """What is put before and behind each spatial axis."""
    if auto_pad == "NOTSET":
        return list(zip(pads[: len(kernel)], pads[len(kernel) :], strict=True))
    if auto_pad == "VALID":
        return [(0, 0)] * len(kernel)
    padding = []
    for size, k, s, d in zip(x.shape[2:], kernel, strides, dilations, strict=True):
        whole = max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
        less = whole // 2
        padding.append((less, whole - less) if auto_pad == "SAME_UPPER" else (whole - less, less))
    return padding


def padded(x: Any, padding: Sequence[tuple[int, int]], value: float = 0.0) -> Any:
    """PyTorch counts from the last axis."""
    return functional.pad(x, [each for pair in reversed(padding) for each in pair], value=value)


@operator("Conv")
def conv(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    group: int = 1,
    auto_pad: str = "NOTSET",
    kernel_shape: Sequence[int] = (),
) -> Any:
    """Convolution over one to three axes."""
    rank = weight.ndim - 2
    strides, dilations = strides or [1] * rank, dilations or [1] * rank
    padding = padding_of(x, weight.shape[2:], strides, dilations, pads or [0] * 2 * rank, auto_pad)
    if any(before != behind for before, behind in padding):
        x, padding = padded(x, padding), [(0, 0)] * rank
    by = CONVOLUTIONS[rank]
    return by(x, weight, bias, tuple(strides), tuple(p for p, _ in padding), tuple(dilations), group)


@operator("ConvTranspose")
def conv_transpose(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    output_padding: Sequence[int] | None = None,
    group: int = 1,
    auto_pad: str = "NOTSET",
    kernel_shape: Sequence[int] = (),
) -> Any:
    """Transposed convolution; what `pads` says is cut off its result, or all beyond the input times the stride."""
    rank = weight.ndim - 2
    strides, extra = strides or [1] * rank, tuple(output_padding or [0] * rank)
    by = TRANSPOSED[rank]
    whole = by(x, weight, bias, tuple(strides), 0, extra, group, tuple(dilations or [1] * rank))
    for axis, stride in enumerate(strides, 2):
        if auto_pad.startswith("SAME"):
            beyond = max(whole.shape[axis] - x.shape[axis] * stride, 0)
            before = beyond // 2 if auto_pad == "SAME_UPPER" else beyond - beyond // 2
        else:
            before, behind = (pads or [0] * 2 * rank)[axis - 2 :: rank]
            beyond = before + behind
        whole = whole.narrow(axis, before, whole.shape[axis] - beyond)
    return whole


@operator("MaxPool")
def max_pool(
    x: Any,
    *,
    kernel_shape: Sequence[int],
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    ceil_mode: int = 0,
    auto_pad: str = "NOTSET",
    storage_order: int = 0,
) -> Any:
    """The largest of each window; padding never is."""
    rank = len(kernel_shape)
    strides, dilations = strides or [1] * rank, dilations or [1] * rank
    padding = padding_of(x, kernel_shape, strides, dilations, pads or [0] * 2 * rank, auto_pad)
    unlike = any(before != behind for before, behind in padding)
    if unlike or any(2 * before > k for (before, _), k in zip(padding, kernel_shape, strict=True)):
        x, padding = padded(x, padding, float("-inf")), [(0, 0)] * rank
    sides = tuple(before for before, _ in padding)
    by = MAX_POOLS[rank]
    return by(x, tuple(kernel_shape), tuple(strides), sides, tuple(dilations), ceil_mode=bool(ceil_mode))


@operator("AveragePool")
def average_pool(
    x: Any,
    *,
    kernel_shape: Sequence[int],
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
    count_include_pad: int = 0,
    ceil_mode: int = 0,
    auto_pad: str = "NOTSET",
) -> Any:
    """The mean of each window; padding counts if `count_include_pad` says so."""
    rank = len(kernel_shape)
    strides = strides or [1] * rank
    padding = padding_of(x, kernel_shape, strides, [1] * rank, pads or [0] * 2 * rank, auto_pad)
    by, window, steps, up = MEAN_POOLS[rank], tuple(kernel_shape), tuple(strides), bool(ceil_mode)
    if all(2 * before <= k and before == behind for (before, behind), k in zip(padding, kernel_shape, strict=True)):
        sides = tuple(before for before, _ in padding)
        return by(x, window, steps, sides, ceil_mode=up, count_include_pad=bool(count_include_pad))
    means = by(padded(x, padding), window, steps, ceil_mode=up)
    if count_include_pad:
        return means
    return means / by(padded(torch.ones_like(x[:1, :1]), padding), window, steps, ceil_mode=up)


@operator("GlobalAveragePool")
def global_average_pool(x: Any) -> Any:
    """The mean over all spatial axes."""
    return x.mean(tuple(range(2, x.ndim)), keepdim=True)


@operator("GlobalMaxPool")
def global_max_pool(x: Any) -> Any:
    """The largest value over all spatial axes."""
    return x.amax(tuple(range(2, x.ndim)), keepdim=True)


@operator("Gemm")
def gemm(
    a: Any,
    b: Any,
    c: Any = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,  # noqa: N803
    transB: int = 0,  # noqa: N803
) -> Any:
    """alpha · A B + beta · C."""
    a, b = a.T if transA else a, b if transB else b.T
    if alpha == beta == 1.0 and (c is None or c.ndim == 1):
        return functional.linear(a, b, c)
    product = functional.linear(a, b) * alpha
    return product if c is None else product + beta * c


@operator("MatMul")
def matmul(a: Any, b: Any) -> Any:
    """Matrix products, over all axes before the last two."""
    return torch.matmul(a, b)


@operator("Einsum")
def einsum(*inputs: Any, equation: str) -> Any:
    """Einstein's summation."""
    return torch.einsum(equation, *inputs)


@operator("Softmax")
def softmax(x: Any, axis: int = -1) -> Any:
    """Along one axis."""
    return torch.softmax(x, axis)


@operator("Softmax@12")
def softmax_before_13(x: Any, axis: int = 1) -> Any:
    """Along all axes from `axis` on, as up to operator set 12."""
    return torch.softmax(x.flatten(axis % x.ndim), -1).reshape(x.shape)


@operator("LogSoftmax")
def log_softmax(x: Any, axis: int = -1) -> Any:
    """Along one axis."""
    return torch.log_softmax(x, axis)


@operator("BatchNormalization")
def batch_norm(x: Any, scale: Any, bias: Any, mean: Any, variance: Any, epsilon: float = 1e-5, **_: Any) -> Any:
    """By stored statistics; in float32, which the statistics may be in."""
    shape = (1, -1, *([1] * (x.ndim - 2)))
    scale, bias, mean, variance = (each.float().reshape(shape) for each in (scale, bias, mean, variance))
    return ((x.float() - mean) * (torch.rsqrt(variance + epsilon) * scale) + bias).to(x.dtype)


@operator("LayerNormalization")
def layer_norm(
    x: Any, scale: Any, bias: Any = None, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> Any:
    """Over all axes from `axis` on."""
    shape = x.shape[axis % x.ndim :]
    if scale.shape == shape:
        return functional.layer_norm(x, shape, scale, bias, epsilon)
    normal = functional.layer_norm(x, shape, None, None, epsilon) * scale
    return normal if bias is None else normal + bias


@operator("InstanceNormalization")
def instance_norm(x: Any, scale: Any, bias: Any, epsilon: float = 1e-5) -> Any:
    """Over the spatial axes of each image and channel."""
    return functional.instance_norm(x, weight=scale, bias=bias, eps=epsilon)


@operator("LRN")
def local_response_norm(x: Any, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0) -> Any:
    """Over neighbouring channels."""
    return functional.local_response_norm(x, size, alpha, beta, bias)


@operator("ReduceMean", static=(1,))
def reduce_mean(x: Any, axes: Sequence[int] | None = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Any:
    """The mean over axes, all where none is named."""
    if not axes and noop_with_empty_axes:
        return x
    return x.mean(_axes(x, axes), keepdim=bool(keepdims))


@operator("ReduceSum", static=(1,))
def reduce_sum(x: Any, axes: Sequence[int] | None = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Any:
    """The sum over axes, all where none is named."""
    if not axes and noop_with_empty_axes:
        return x
    return x.sum(_axes(x, axes), keepdim=bool(keepdims), dtype=x.dtype)


@operator("ReduceMax", static=(1,))
def reduce_max(x: Any, axes: Sequence[int] | None = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Any:
    """The largest over axes."""
    return x.amax(_axes(x, axes), keepdim=bool(keepdims))


@operator("ReduceMin", static=(1,))
def reduce_min(x: Any, axes: Sequence[int] | None = None, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Any:
    """The smallest over axes."""
    return x.amin(_axes(x, axes), keepdim=bool(keepdims))


@operator("ReduceSumSquare", static=(1,))
def reduce_sum_square(x: Any, axes: Sequence[int] | None = None, keepdims: int = 1, **_: Any) -> Any:
    """The sum of squares over axes."""
    return (x * x).sum(_axes(x, axes), keepdim=bool(keepdims))


@operator("ReduceL2", static=(1,))
def reduce_l2(x: Any, axes: Sequence[int] | None = None, keepdims: int = 1, **_: Any) -> Any:
    """The Euclidean norm over axes."""
    return torch.linalg.vector_norm(x, 2, _axes(x, axes), keepdim=bool(keepdims))


@operator("ArgMax")
def argmax(x: Any, axis: int = 0, keepdims: int = 1, **_: Any) -> Any:
    """Where the largest value is; of several the first."""
    return x.argmax(axis, keepdim=bool(keepdims))


def _axes(x: Any, axes: Sequence[int] | None) -> tuple[int, ...]:
    return tuple(axes) if axes else tuple(range(x.ndim))
