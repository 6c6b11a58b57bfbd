"""How much noise int8 adds to each tensor: signal-to-quantization-noise ratio on held-out training images."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import onnx
from numpy.typing import NDArray

from roundoff.calibration.base import TensorRange
from roundoff.calibration.graph import WEIGHTED, constants
from roundoff.calibration.integers import along, fake_quantize, grid_for, weight_axis, weight_scales
from roundoff.calibration.observe import not_finite, observe
from roundoff.dataset.base import Images

LOSSLESS_DB = 200.0
"""What a tensor that int8 represents without any error is given, since infinity has no JSON."""


@dataclass(frozen=True)
class Noise:
    """One tensor's noise: `sqnr_db` is 10 log10(sum x^2 / sum (x - q(x))^2); `kind` is activation or weight.

    `quantized` says whether the graph that is built holds this tensor in 8 bits, or only could.
    """

    tensor: str
    kind: str
    sqnr_db: float
    low: float
    high: float
    quantized: bool = True


def measure_noise(
    model: onnx.ModelProto,
    ranges: Mapping[str, TensorRange],
    batches: Iterable[Images],
    quantized: Collection[str] | None = None,
) -> list[Noise]:
    """Noise of every activation in `ranges` and every weight on the symmetric int8 grid, worst first.

    `quantized` names the tensors that are held in 8 bits; None: all. Raises CalibrationError for NaN or infinity.
    """
    noises = [*_activations(model, ranges, batches), *_weights(model)]
    if quantized is not None:
        noises = [replace(noise, quantized=noise.tensor in quantized) for noise in noises]
    return sorted(noises, key=lambda noise: (noise.sqnr_db, noise.tensor))


def sqnr_db(signal: float, noise: float) -> float:
    """The ratio of two sums of squares in dB; LOSSLESS_DB at most, and for no noise at all."""
    if noise <= 0:
        return LOSSLESS_DB
    return min(10 * math.log10(signal / noise), LOSSLESS_DB) if signal > 0 else -LOSSLESS_DB


def _activations(model: onnx.ModelProto, ranges: Mapping[str, TensorRange], batches: Iterable[Images]) -> list[Noise]:
    sums = {name: np.zeros(2) for name in ranges}
    scales = {name: grid_for(seen.low, seen.high, "int8", symmetric=True)[0] for name, seen in ranges.items()}
    for chunk in observe(model, list(ranges), batches):
        for name, values in chunk.items():
            powers = _powers(values, fake_quantize(values, scales[name]))
            if not np.isfinite(powers).all():
                raise not_finite(name, f"values from {values.min()} to {values.max()} on a held-out image")
            sums[name] += powers
    return [
        Noise(name, "activation", sqnr_db(*map(float, sums[name])), seen.low, seen.high)
        for name, seen in ranges.items()
    ]


def _weights(model: onnx.ModelProto) -> list[Noise]:
    known = constants(model)
    found: dict[str, Noise] = {}
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
        found[name] = Noise(name, "weight", sqnr_db(*map(float, powers)), float(weight.min()), float(weight.max()))
    return list(found.values())


def _powers(values: NDArray[np.float32], quantized: NDArray[np.float32]) -> NDArray[np.float64]:
    signal = np.square(values, dtype=np.float64).sum()
    return np.array([signal, np.square(values - quantized, dtype=np.float64).sum()])
