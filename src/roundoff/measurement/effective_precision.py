"""What a cell computes in, by its measured error: a row must not claim a precision that it does not have."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from roundoff.backend.base import Logits
from roundoff.dataset.base import Images
from roundoff.errors import GateError
from roundoff.results.message import message

# Strict FP32 lands under 1e-5 of another strict FP32 run; ten bits of mantissa (TF32, FP16) cannot get under 1e-4.
FP32_ERROR = 3e-5
TF32_ERROR = 5e-3
FULL_WIDTH = ("fp32", "tf32")  # the names that an error proves
STRICT_IMAGES = 512
BATCH = 64


def strict_fp32(graph: Path, images: Images) -> Logits:
    """Logits float32 [n, classes] of the first images uint8 [N, H, W, C], at most 512, through an FP32 ONNX graph.

    On the CPU by ONNX Runtime, which multiplies float32 in full: what a GPU's "FP32" is held against.
    """
    import onnxruntime as ort

    session = ort.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    name, few = session.get_inputs()[0].name, images[:STRICT_IMAGES]
    parts = [np.ascontiguousarray(few[start : start + BATCH]) for start in range(0, len(few), BATCH)]
    logits: Logits = np.concatenate([session.run(None, {name: part})[0] for part in parts])
    return logits


def label(precision: str, error: float | None, cell: str, full_width: bool) -> str:
    """The name for the row: `fp32` or `tf32` where the error against strict FP32 says so, else the one asked for.

    Raises GateError where a precision of `full_width` errs by more than TF32 does: that is another network.
    """
    if error is None:
        return precision
    if error < FP32_ERROR:
        return FULL_WIDTH[0]
    if not full_width:
        return precision
    if error > TF32_ERROR:
        raise GateError(
            message("neither_fp32_nor_tf32", cell=cell),
            received=f"relative error {error:.2e} against the reference",
            expected=f"under {FP32_ERROR:.0e} for FP32, at most {TF32_ERROR:.0e} for TF32",
            fix="the engine was built from another graph or fed otherwise; build it again",
        )
    return FULL_WIDTH[1]
