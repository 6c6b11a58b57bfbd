"""What float32's own rounding costs a network: two that compute the same differ by as much."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from roundoff.dataset.base import Images
from roundoff.export.parity import onnx_logits
from roundoff.graph.rounding import cost, to_neighbours

IMAGES = 32


def rounding_error(graph: Path, images: Images) -> float:
    """‖z' − z‖ ÷ ‖z‖ of the logits, z' with each float32 weight moved to one of its two neighbours.

    On the first images uint8 [N, H, W, C], at most 32, by ONNX Runtime on the CPU. Of networks that were trained it is
    some 5e-7; a ResNet-50 with random weights enlarges it to 2e-4.
    """
    few = np.ascontiguousarray(images[:IMAGES])
    return cost(graph, to_neighbours(), lambda moved: onnx_logits(moved, few), onnx_logits(graph, few))
