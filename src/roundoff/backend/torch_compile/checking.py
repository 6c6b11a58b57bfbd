"""Whether a compiled network computes what ONNX Runtime computes of the same graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from roundoff.backend.torch_compile.compiled import Compiled
from roundoff.dataset.base import Images
from roundoff.errors import GateError
from roundoff.graph.difference import relative_error
from roundoff.graph.rounding import cost, explained, to_neighbours
from roundoff.results.message import Message, message

IMAGES = 4
FLOATS = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)


class Limit(NamedTuple):
    """The error that a type of so many bits of mantissa may have, and the most where a network enlarges rounding."""

    error: float
    bits: int
    most: float


LIMITS = {
    "float32": Limit(5e-4, 23, 1e-2),  # cuDNN's algorithms differ by 1e-4 in a deep network
    "tf32": Limit(2e-2, 10, 0.75),  # answers of another network are some 1.4 away
    "float16": Limit(5e-2, 10, 0.75),
    "bfloat16": Limit(0.3, 7, 0.75),
}


def check(
    graph: Path, compiled: Compiled, calibration: Images, batches: Sequence[int], kind: str, directory: Path
) -> None:
    """Hold the translation, in float32, and what was compiled for each batch size against ONNX Runtime.

    On the dataset's own images `calibration`, uint8 [N, H, W, C], over again where a batch has more: of noise, which
    they were not made for, some networks enlarge the rounding by any factor. `kind` is the precision's type;
    `directory` a place for a file. Raises GateError where one is off.
    """
    wide = directory / "wide.onnx"
    onnx.save(widened(onnx.load(graph)), wide)
    images = np.ascontiguousarray(calibration[np.arange(max(batches)) % len(calibration)])
    few = images[:IMAGES]
    expected = _onnxruntime(str(wide), few)

    @cache
    def rounding(count: int, bits: int) -> float:
        answers = partial(_onnxruntime, images=few[:count])
        return cost(wide, to_neighbours(bits), answers, expected[:count])

    given = torch.from_numpy(images).to(compiled.device)
    translated = Compiled(wide, compiled.device, tf32=False, mode=compiled.mode).uncompiled(given[: len(few)])
    _compare(message("doing_translation"), translated, expected, LIMITS["float32"], rounding)
    for batch in batches:
        step, received = message("doing_batch_size", batch=batch), compiled.logits(given[:batch])[: len(few)]
        _compare(step, received, expected[:batch], LIMITS[kind], rounding)


def widened(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with every 16-bit float as float32, weights as they were rounded: what any runtime has kernels for."""
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    for tensor in wide.graph.initializer:
        _widen(tensor)
    for node in wide.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i in FLOATS:
                attribute.i = onnx.TensorProto.FLOAT
            elif attribute.HasField("t"):
                _widen(attribute.t)
    del wide.graph.value_info[:]
    return wide


def _widen(tensor: onnx.TensorProto) -> None:
    if tensor.data_type in FLOATS:
        values = onnx.numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))


def _onnxruntime(graph: str | bytes, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    import onnxruntime as ort

    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    logits: NDArray[np.float32] = session.run(None, {session.get_inputs()[0].name: images})[0]
    return logits


def _compare(
    step: Message, received: Any, expected: NDArray[np.float32], limit: Limit, rounding: Callable[[int, int], float]
) -> None:
    """GateError where the error is above the limit's and what `rounding` so many images to so many bits explains."""
    found, tolerance = received.float().cpu().numpy(), limit.error
    error = relative_error(found, expected) if found.shape == expected.shape else float("inf")
    if tolerance < error <= limit.most:
        tolerance = max(tolerance, explained(rounding(len(expected), limit.bits), limit.most))
    if not error <= tolerance:
        raise GateError(
            message("torch_differs", step=step),
            received=f"relative error {error:.3g} over {len(expected)} calibration images",
            expected=f"at most {tolerance:.2g}",
            fix="leave this precision out for this backend, or try another version of PyTorch",
        )
