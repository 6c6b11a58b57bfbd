"""An FP16 engine of an exported graph and images for it, for the benchmarks that need no data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from roundoff.backend.base import Source
from roundoff.backend.trt.backend import Tensorrt
from roundoff.precision.fp16 import Fp16


def build_fp16(backend: Tensorrt, model: Path, directory: Path) -> None:
    """Write into `directory` what `backend.load` takes: the engine of the model, converted to float16."""
    import onnx

    graph = directory / "graph.onnx"
    onnx.save(Fp16().convert(onnx.load(model), backend.grid, None), graph)
    backend.build(Source("fp16", Fp16(), graph, None, random_images(model, 1)), directory)


def random_images(model: Path, batch: int) -> np.ndarray:
    """Images that the graph takes: uint8 [batch, H, W, C], the same at each call."""
    import onnx

    shape = [d.dim_value for d in onnx.load(model).graph.input[0].type.tensor_type.shape.dim][1:]
    return np.random.default_rng(0).integers(0, 256, (batch, *shape), dtype=np.uint8)
