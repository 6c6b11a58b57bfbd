"""Bias correction in a .tflite model: as `precision.rewriting.bias`, before the weights are rounded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roundoff.backend.tflite.observing import CONVOLUTIONS, Observed
from roundoff.export.tflite_graph import TfliteGraph
from roundoff.graph.grid import along, weight_scales
from roundoff.precision.rewriting.bias import bias_shift, rounding_sums

Floats = NDArray[np.float32]


def with_corrected_biases(content: bytes, seen: Observed) -> bytes:
    """The model with the biases that restore its convolutions' mean outputs under 8-bit weights.

    Left alone are biases that are no constants, and convolutions of maps narrower than their kernel.
    """
    graph = TfliteGraph.read(content)
    for operator in graph.operators:
        kind = graph.operator(operator)
        name = graph.name(int(operator.inputs[0]))
        if kind not in CONVOLUTIONS or name not in seen.means or len(operator.inputs) < 3:
            continue
        weight, bias = graph.constant(int(operator.inputs[1])), graph.constant(int(operator.inputs[2]))
        if weight is None or bias is None or _mostly_padding(seen.shapes[name], weight.shape):
            continue
        laid = _as_onnx(weight, kind == "DEPTHWISE_CONV_2D")
        groups = len(seen.means[name]) // laid.shape[1]
        shift = bias_shift(rounding_sums(laid, _rounded(laid)), [*map(float, seen.means[name])], groups)
        graph.set_constant(operator, 2, (bias + shift).astype(np.float32))
    return graph.packed()


def _as_onnx(weight: Floats, depthwise: bool) -> Floats:
    """[out, H, W, in ÷ groups], or [1, H, W, out] of a depthwise one, as [out, in ÷ groups, H, W]."""
    return weight.transpose(3, 0, 1, 2) if depthwise else weight.transpose(0, 3, 1, 2)


def _rounded(weight: Floats) -> Floats:
    scales = along(weight_scales(weight, 0), weight.ndim, 0)
    return np.asarray(np.clip(np.rint(weight / scales), -127, 127) * scales, np.float32)


def _mostly_padding(image: tuple[int, ...], weight: tuple[int, ...]) -> bool:
    return any(size < taps for size, taps in zip(image[1:3], weight[1:3], strict=True))
