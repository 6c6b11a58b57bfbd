"""The same network with activations that float16 cannot hold: what is left of FP16 where they stay in float32?

What a Conv gives is FACTOR times as large, and the Conv behind it, by way of a Relu, takes it with weights that are as
much smaller: the answers are those of before. `python -m benchmarks.gpu enlarge MODEL.onnx OUT.onnx`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx

from benchmarks.rescaling import channels, pairs, rescale
from roundoff.graph.reading import seal

FACTOR = 2.0**14


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the enlarged network; returns 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu enlarge", description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args(arguments)
    onnx.save(enlarged(onnx.load(given.model)), given.out)
    return 0


def enlarged(model: onnx.ModelProto, factor: float = FACTOR) -> onnx.ModelProto:
    """A copy in which the last Conv that only one other reads, by way of a Relu, gives `factor` times as much.

    Raises ValueError where there is none.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    last = pairs(copy)[-1]
    rescale(copy, last, np.full(channels(copy, last[0]), factor, np.float32))
    seal(copy)
    return copy
