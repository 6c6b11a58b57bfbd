"""The same network with activations whose channels differ so much that 8 bits for all of them are too few.

In each pair of Convs with nothing but a Relu between, one channel is FACTOR times as large, and the second Conv takes
it with weights that are as much smaller: the answers are those of before. Batch norms that were folded into depthwise
convolutions leave such channels (Nagel et al., ICCV 2019, "Data-free quantization through weight equalization").
"""

from __future__ import annotations

import numpy as np
import onnx

from benchmarks.rescaling import channels, pairs, rescale
from roundoff.graph.reading import seal

FACTOR = 128.0


def uneven(model: onnx.ModelProto, factor: float = FACTOR) -> onnx.ModelProto:
    """A copy in which the first channel between each pair is `factor` times as large; ValueError without a pair."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for pair in pairs(copy):
        factors = np.ones(channels(copy, pair[0]), np.float32)
        factors[0] = factor
        rescale(copy, pair, factors)
    seal(copy)
    return copy
