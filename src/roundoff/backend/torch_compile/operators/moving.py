"""Operators that move values and compute none."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional

from roundoff.backend.torch_compile.operators.table import operator

LINEAR = {3: "linear", 4: "bilinear", 5: "trilinear"}  # by rank
HALF_PIXEL = ("half_pixel", "pytorch_half_pixel")


@operator("Transpose")
def transpose(x: Any, perm: Sequence[int] | None = None) -> Any:
    """Axes in another order, reversed where none is given."""
    return x.permute(tuple(perm or reversed(range(x.ndim))))


@operator("Reshape", static=(1,))
def reshape(x: Any, shape: Sequence[int], allowzero: int = 0) -> Any:
    """0 stands for the axis as it is."""
    return x.reshape([x.shape[i] if size == 0 and not allowzero else size for i, size in enumerate(shape)])


@operator("Flatten")
def flatten(x: Any, axis: int = 1) -> Any:
    """Two axes: those before `axis`, and those from it on."""
    return x.reshape(math.prod(x.shape[: axis % (x.ndim + 1)]) if axis else 1, -1)


@operator("Squeeze", static=(1,))
def squeeze(x: Any, axes: Sequence[int] | None = None) -> Any:
    """Without axes of size 1."""
    return x.squeeze() if axes is None else x.squeeze(tuple(axes))


@operator("Unsqueeze", static=(1,))
def unsqueeze(x: Any, axes: Sequence[int]) -> Any:
    """With axes of size 1, by their places in the result."""
    for axis in sorted(axis % (x.ndim + len(axes)) for axis in axes):
        x = x.unsqueeze(axis)
    return x


@operator("Expand", static=(1,))
def expand(x: Any, shape: Sequence[int]) -> Any:
    """Stretched, in both directions."""
    return torch.broadcast_to(x, torch.broadcast_shapes(tuple(x.shape), tuple(shape)))


@operator("Tile", static=(1,))
def tile(x: Any, repeats: Sequence[int]) -> Any:
    """Repeated along each axis."""
    return x.repeat(tuple(repeats))


@operator("Concat")
def concat(*inputs: Any, axis: int) -> Any:
    """One behind the other along an axis."""
    return torch.cat(inputs, axis)


@operator("Split", static=(1,), outputs=True)
def split(x: Any, sizes: Sequence[int] | None = None, *, axis: int = 0, parts: int = 0, **attributes: Any) -> Any:
    """In pieces of `sizes`, or in as many equal ones as there are outputs."""
    sizes = sizes or attributes.get("split")
    return torch.split(x, list(sizes) if sizes else -(-x.shape[axis] // parts), axis)


@operator("Slice", static=(1, 2, 3, 4))
def cut(
    x: Any,
    starts: Sequence[int],
    ends: Sequence[int],
    axes: Sequence[int] | None = None,
    steps: Sequence[int] | None = None,
) -> Any:
    """Parts of axes; steps may go backwards."""
    axes = axes or range(len(starts))
    for start, end, axis, step in zip(starts, ends, axes, steps or [1] * len(starts), strict=True):
        first, behind, stride = slice(start, end, step).indices(x.shape[axis])
        if stride > 0:
            places = [slice(None)] * x.ndim
            places[axis] = slice(first, behind, stride)
            x = x[tuple(places)]
        else:
            x = x.index_select(axis, torch.arange(first, behind, stride, device=x.device))
    return x


@operator("Gather", numbers=True)
def gather(x: Any, indices: Any, axis: int = 0) -> Any:
    """What stands at the indices of an axis; negative ones count from its end."""
    if not isinstance(indices, torch.Tensor):
        return x.select(axis, indices)
    axis = axis % x.ndim
    places = torch.where(indices < 0, indices + x.shape[axis], indices)
    chosen = x.index_select(axis, places.reshape(-1))
    return chosen.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


@operator("GatherElements")
def gather_elements(x: Any, indices: Any, axis: int = 0) -> Any:
    """One value for each index, along an axis."""
    return torch.gather(x, axis, torch.where(indices < 0, indices + x.shape[axis], indices))


@operator("Pad", static=(1, 3), numbers=True)
def pad(
    x: Any,
    pads: Sequence[int] | None = None,
    value: float | None = None,
    axes: Sequence[int] | None = None,
    *,
    mode: str = "constant",
) -> Any:
    """Something before and behind each axis: a constant, the edge, or what lies within mirrored."""
    pads = list(pads or [])
    axes = [axis % x.ndim for axis in axes] if axes else list(range(x.ndim))
    pairs = {axis: (pads[i], pads[len(axes) + i]) for i, axis in enumerate(axes)}
    pairs = {axis: pair for axis, pair in pairs.items() if pair != (0, 0)}
    if not pairs:
        return x
    flat = [each for axis in reversed(range(min(pairs), x.ndim)) for each in pairs.get(axis, (0, 0))]
    if mode == "constant":
        return functional.pad(x, flat, value=0 if value is None else value)
    return functional.pad(x, flat, mode={"edge": "replicate", "reflect": "reflect", "wrap": "circular"}[mode])


@operator("DepthToSpace")
def depth_to_space(x: Any, blocksize: int, mode: str = "DCR") -> Any:
    """Channels to pixels."""
    if mode == "CRD":
        return functional.pixel_shuffle(x, blocksize)
    n, c, h, w = x.shape
    blocks = x.reshape(n, blocksize, blocksize, c // blocksize**2, h, w)
    return blocks.permute(0, 3, 4, 1, 5, 2).reshape(n, c // blocksize**2, h * blocksize, w * blocksize)


@operator("SpaceToDepth")
def space_to_depth(x: Any, blocksize: int) -> Any:
    """Pixels to channels."""
    n, c, h, w = x.shape
    blocks = x.reshape(n, c, h // blocksize, blocksize, w // blocksize, blocksize)
    return blocks.permute(0, 3, 5, 1, 2, 4).reshape(n, c * blocksize**2, h // blocksize, w // blocksize)


def _refused_resize(
    mode: str = "nearest", coordinate_transformation_mode: str = "half_pixel", antialias: int = 0, **attributes: Any
) -> str | None:
    """What is neither the nearest value nor a line between two, and what is cut out."""
    known = (*HALF_PIXEL, "align_corners", *(("asymmetric", "tf_half_pixel_for_nn") if mode == "nearest" else ()))
    if mode not in ("nearest", "linear") or coordinate_transformation_mode not in known:
        return f"mode {mode} with {coordinate_transformation_mode}"
    return "antialias or axes" if antialias or attributes.get("axes") else None


@operator("Resize", static=(1, 2, 3), refuses=_refused_resize)
def resize(
    x: Any,
    roi: Sequence[float] | None = None,
    scales: Sequence[float] | None = None,
    sizes: Sequence[int] | None = None,
    *,
    mode: str = "nearest",
    coordinate_transformation_mode: str = "half_pixel",
    nearest_mode: str = "round_prefer_floor",
    **_: Any,
) -> Any:
    """Spatial axes made larger or smaller, by the nearest value or by lines between two."""
    shape = list(sizes or [math.floor(n * s) for n, s in zip(x.shape, scales or [], strict=True)])
    factors = scales or [new / old for new, old in zip(shape, x.shape, strict=True)]
    if mode == "linear":
        aligned = coordinate_transformation_mode == "align_corners"
        return functional.interpolate(x, shape[2:], mode=LINEAR[x.ndim], align_corners=aligned)
    for axis, (new, factor) in enumerate(zip(shape, factors, strict=True)):
        if new != x.shape[axis]:
            places = _nearest(x.shape[axis], new, factor, coordinate_transformation_mode, nearest_mode)
            x = x.index_select(axis, torch.tensor(places, device=x.device))
    return x


def _nearest(old: int, new: int, factor: float, coordinates: str, rounding: str) -> list[int]:
    """Which of `old` places each of `new` ones takes its value from."""
    if coordinates == "asymmetric":
        places = [i / factor for i in range(new)]
    elif coordinates == "align_corners":
        places = [i * (old - 1) / max(new - 1, 1) for i in range(new)]
    else:
        shift = 0.0 if coordinates == "tf_half_pixel_for_nn" else 0.5
        places = [(i + 0.5) / factor - shift for i in range(new)]
    by: Callable[[float], int] = {
        "floor": math.floor,
        "ceil": math.ceil,
        "round_prefer_floor": lambda place: math.ceil(place - 0.5),
        "round_prefer_ceil": lambda place: math.floor(place + 0.5),
    }[rounding]
    return [min(max(by(place), 0), old - 1) for place in places]
