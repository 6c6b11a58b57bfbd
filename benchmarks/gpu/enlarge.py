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
from onnx import numpy_helper

from roundoff.graph.links import Links
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
    first, second = _pair(copy)
    for name in first.input[1:]:
        _scale(copy, name, factor)
    _scale(copy, second.input[1], 1 / factor)
    seal(copy)
    return copy


def _pair(model: onnx.ModelProto) -> tuple[onnx.NodeProto, onnx.NodeProto]:
    links = Links.of(model)
    for node in reversed(links.nodes):
        relu = links.readers.get(node.output[0], [])
        behind = links.readers.get(relu[0].output[0], []) if len(relu) == 1 and relu[0].op_type == "Relu" else []
        if node.op_type == "Conv" and [each.op_type for each in behind] == ["Conv"]:
            return node, behind[0]
    raise ValueError("no Conv is read by another alone, by way of a Relu")


def _scale(model: onnx.ModelProto, name: str, factor: float) -> None:
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    values = numpy_helper.to_array(tensor)
    tensor.CopyFrom(numpy_helper.from_array((values * np.float32(factor)).astype(values.dtype), name))
