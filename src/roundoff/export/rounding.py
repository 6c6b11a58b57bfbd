"""What float32's own rounding costs a network: two that compute the same differ by as much."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from roundoff.dataset.base import Images
from roundoff.export.parity import onnx_logits
from roundoff.graph.difference import relative_error
from roundoff.graph.rounding import round_weights, to_neighbours

IMAGES = 32


def rounding_error(graph: Path, images: Images) -> float:
    """‖z' − z‖ ÷ ‖z‖ of the logits, z' with each float32 weight moved to one of its two neighbours.

    On the first images uint8 [N, H, W, C], at most 32, by ONNX Runtime on the CPU. Of networks that were trained it is
    some 5e-7; a ResNet-50 with random weights enlarges it to 2e-4.
    """
    model, few = onnx.load(graph), np.ascontiguousarray(images[:IMAGES])
    exact = onnx_logits(graph, few)
    round_weights(model, to_neighbours())
    return relative_error(onnx_logits(model.SerializeToString(), few), exact)
