"""How much noise int8 adds to each tensor: signal-to-quantization-noise ratio on held-out training images."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

import numpy as np
import onnx
from numpy.typing import NDArray

from roundoff.calibration.base import TensorRange
from roundoff.calibration.observing.observe import not_finite, observe, stride_for
from roundoff.dataset.base import Images
from roundoff.graph.grid import along, fake_quantize, grid_for, weight_axis, weight_scales
from roundoff.graph.queries import WEIGHTED, constants
from roundoff.results.preparation import Noise

LOSSLESS_DB = 200.0
"""What a tensor that int8 represents without any error is given, since infinity has no JSON."""


def measure_noise(
    model: onnx.ModelProto,
    ranges: Mapping[str, TensorRange],
    batches: Iterable[Images],
    quantized: Collection[str] | None = None,
    asymmetric_quantized: Collection[str] | None = None,
    required: Collection[str] | None = None,
) -> list[Noise]:
    """Noise of every activation in `ranges` and every weight on the symmetric int8 grid, worst first.

    Activations have that of the asymmetric grid as well; of large ones, as many values are looked at as are counted for
    a histogram. `quantized` and `asymmetric_quantized` name the tensors that
    are held in 8 bits on each; None: all. Raises CalibrationError for NaN or infinity in a tensor that is `required`
    (None: all are); another one is left out.
    """
    noises = [*_activations(model, ranges, batches, required), *_weights(model)]
    if quantized is not None:
        noises = [replace(noise, quantized=noise.tensor in quantized) for noise in noises]
    if asymmetric_quantized is not None:
        noises = [replace(noise, asymmetric_quantized=noise.tensor in asymmetric_quantized) for noise in noises]
    return sorted(noises, key=lambda noise: (noise.sqnr_db, noise.tensor))


def sqnr_db(signal: float, noise: float) -> float:
    """The ratio of two sums of squares in dB; LOSSLESS_DB at most, and for no noise at all."""
    if noise <= 0:
        return LOSSLESS_DB
    return min(10 * math.log10(signal / noise), LOSSLESS_DB) if signal > 0 else -LOSSLESS_DB


def _activations(
    model: onnx.ModelProto,
    ranges: Mapping[str, TensorRange],
    batches: Iterable[Images],
    required: Collection[str] | None,
) -> list[Noise]:
    sums = {name: np.zeros(3) for name in ranges}
    grids = {name: _grids(seen) for name, seen in ranges.items()}
    places = dict.fromkeys(ranges, 0)
    for chunk in observe(model, list(ranges), batches, required):
        for name in sums.keys() & chunk.keys():
            values = chunk[name]
            low, high = values.min(), values.max()
            if not np.isfinite([low, high]).all():
                if required is not None and name not in required:
                    del sums[name]
                    continue
                raise not_finite(name, f"values from {low} to {high} on a held-out image")
            stride = stride_for(values.shape[1:])
            counted = values.reshape(-1)[-places[name] % stride :: stride]
            places[name] += values.size
            sums[name] += _powers(counted, *(fake_quantize(counted, *grid) for grid in grids[name]))
    return [_noise(name, ranges[name], *map(float, powers)) for name, powers in sums.items()]


def _grids(seen: TensorRange) -> list[tuple[np.float32, int, str]]:
    """Scale, zero point and type of the symmetric grid and of the one that is fitted to both ends."""
    symmetric, asymmetric = seen.choice(symmetric=True), seen.choice(symmetric=False)
    return [
        (*grid_for(symmetric.low, symmetric.high, "int8", symmetric=True), "int8"),
        (*grid_for(asymmetric.low, asymmetric.high, "uint8", symmetric=False), "uint8"),
    ]


def _noise(name: str, seen: TensorRange, signal: float, noise: float, asymmetric_noise: float) -> Noise:
    other = seen.choice(symmetric=False)
    return Noise(
        tensor=name,
        kind="activation",
        sqnr_db=sqnr_db(signal, noise),
        low=seen.low,
        high=seen.high,
        clipped_percent=100 * seen.clipped_fraction,
        asymmetric_sqnr_db=sqnr_db(signal, asymmetric_noise),
        asymmetric_low=other.low,
        asymmetric_high=other.high,
        asymmetric_clipped_percent=100 * other.clipped_fraction,
    )


def _weights(model: onnx.ModelProto) -> list[Noise]:
    known = constants(model)
    weights: dict[str, Noise] = {}
    for node in model.graph.node:
        if node.op_type not in WEIGHTED or node.input[1] not in known:
            continue
        name, weight = node.input[1], known[node.input[1]].astype(np.float32)
        attributes = {attribute.name: attribute.i for attribute in node.attribute}
        axis = weight_axis(
            node.op_type, weight.ndim, bool(attributes.get("transB", 0)), attributes.get("group", 1) or 1
        )
        scales = along(weight_scales(weight, axis), weight.ndim, axis)
        powers = _powers(weight, fake_quantize(weight, scales))
        weights[name] = Noise(name, "weight", sqnr_db(*map(float, powers)), float(weight.min()), float(weight.max()))
    return list(weights.values())


def _powers(values: NDArray[np.float32], *quantized: NDArray[np.float32]) -> NDArray[np.float64]:
    """The summed squares of the values and of what each of their quantized versions errs."""
    return np.array([_summed_squares(values), *(_summed_squares(values - other) for other in quantized)])


def _summed_squares(values: NDArray[np.float32]) -> float:
    return float(np.square(values, dtype=np.float64).sum())
