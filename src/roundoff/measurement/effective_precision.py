"""What a cell computes in, by its measured error: a row must not claim a precision that it does not have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from roundoff.backend.base import Logits
from roundoff.backend.cpu import images_per_call
from roundoff.dataset.base import Images
from roundoff.errors import GateError
from roundoff.results.message import message

if TYPE_CHECKING:
    import onnx

# Strict FP32 lands under 1e-5 of another strict FP32 run; ten bits of mantissa (TF32, FP16) cannot get under 1e-4.
FP32_ERROR = 3e-5
TF32_ERROR = 5e-3
MOST_OF_ROUNDING = 4  # times what rounding the weights alone costs: TF32 rounds what they are multiplied with, too
DROPPED_BITS = 13  # of float32's 23 bits of mantissa, TF32 keeps 10
FULL_WIDTH = ("fp32", "tf32")  # the names that an error proves
STRICT_IMAGES = 512


def strict_fp32(graph: Path, images: Images) -> Logits:
    """Logits float32 [n, classes] of the first images uint8 [N, H, W, C], at most 512, through an FP32 ONNX graph.

    On the CPU by ONNX Runtime, which multiplies float32 in full: what a GPU's "FP32" is held against.
    """
    return _answers(str(graph), images)


def tf32_error(graph: Path, images: Images, exact: Logits) -> float:
    """What TF32's ten bits cost this network: ‖z' − z‖ ÷ ‖z‖, z' with the weights alone rounded to them.

    On the first images uint8 [N, H, W, C], whose strict logits are `exact` [n, classes]. Some networks, deep ones with
    random weights among them, enlarge what rounding does.
    """
    import onnx

    from roundoff.graph.difference import relative_error

    model = onnx.load(str(graph))
    for weights in model.graph.initializer:
        if weights.data_type == onnx.TensorProto.FLOAT:
            _round_weights(weights)
    found = _answers(model.SerializeToString(), images)
    return relative_error(found, exact[: len(found)])


def _round_weights(weights: onnx.TensorProto) -> None:
    from onnx import numpy_helper

    values = numpy_helper.to_array(weights)
    weights.CopyFrom(numpy_helper.from_array(rounded_to_tf32(values), weights.name))


def rounded_to_tf32(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Finite float32 rounded to ten bits of mantissa, to the nearest, ties to even; what is not finite stays."""
    bits = np.ascontiguousarray(values).view(np.uint32).astype(np.uint64)
    half, odd = (1 << (DROPPED_BITS - 1)) - 1, (bits >> np.uint64(DROPPED_BITS)) & np.uint64(1)
    cut = ((bits + np.uint64(half) + odd) >> np.uint64(DROPPED_BITS)) << np.uint64(DROPPED_BITS)
    rounded = cut.astype(np.uint32).view(np.float32).reshape(values.shape)
    return np.where(np.isfinite(values), rounded, values)


def _answers(graph: str | bytes, images: Images) -> Logits:
    import onnxruntime as ort

    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    name, few, size = session.get_inputs()[0].name, images[:STRICT_IMAGES], images_per_call(images)
    parts = [np.ascontiguousarray(few[start : start + size]) for start in range(0, len(few), size)]
    logits: Logits = np.concatenate([session.run(None, {name: part})[0] for part in parts])
    return logits


def label(
    precision: str, error: float | None, cell: str, full_width: bool, rounding: Callable[[], float | None]
) -> str:
    """The name for the row: `fp32` or `tf32` where the error against strict FP32 says so, else the one asked for.

    `rounding` is asked what TF32 costs this network, where its error is above what it costs most. Raises GateError
    where a precision of `full_width` errs by more than that: it is another network.
    """
    if error is None:
        return precision
    if error < FP32_ERROR:
        return FULL_WIDTH[0]
    if not full_width:
        return precision
    most = TF32_ERROR if error <= TF32_ERROR else max(TF32_ERROR, MOST_OF_ROUNDING * (rounding() or 0.0))
    if error > most:
        raise GateError(
            message("neither_fp32_nor_tf32", cell=cell),
            received=f"relative error {error:.2e} against the reference",
            expected=f"under {FP32_ERROR:.0e} for FP32, at most {most:.0e} for TF32",
            fix="the engine was built from another graph or fed otherwise; build it again",
        )
    return FULL_WIDTH[1]
