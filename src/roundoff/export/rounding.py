"""What float32's own rounding costs a network: two that compute the same differ by as much."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from roundoff.dataset.base import Images
from roundoff.export.parity import onnx_logits
from roundoff.graph.difference import relative_error

IMAGES = 32


def rounding_error(graph: Path, images: Images) -> float:
    """‖z' − z‖ ÷ ‖z‖ of the logits, z' with each float32 weight moved to one of its two neighbours.

    On the first images uint8 [N, H, W, C], at most 32, by ONNX Runtime on the CPU. Of networks that were trained it is
    some 5e-7; a ResNet-50 with random weights enlarges it to 2e-4.
    """
    model, few = onnx.load(graph), np.ascontiguousarray(images[:IMAGES])
    exact = onnx_logits(graph, few)
    random = np.random.default_rng(0)
    for weights in model.graph.initializer:
        if weights.data_type == onnx.TensorProto.FLOAT:
            moved = _moved(numpy_helper.to_array(weights), random)
            weights.CopyFrom(numpy_helper.from_array(moved, weights.name))
    return relative_error(onnx_logits(model.SerializeToString(), few), exact)


def _moved(values: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Each up or down to the next float32, at random; 0 and what is not finite stay."""
    towards = np.where(random.random(values.shape) < 0.5, np.float32(-np.inf), np.float32(np.inf))
    keeps = (values == 0) | ~np.isfinite(values)
    return np.where(keeps, values, np.nextafter(values, towards))
