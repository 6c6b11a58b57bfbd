"""What a cell computes in, by its measured error: a row must not claim a precision that it does not have."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roundoff.backend.base import Logits
from roundoff.backend.cpu import images_per_call
from roundoff.dataset.base import Images
from roundoff.errors import GateError
from roundoff.results.message import message
from roundoff.system.slots import FULL_WIDTH

# Strict FP32 lands under 1e-5 of another strict FP32 run; ten bits of mantissa (TF32, FP16) cannot get under 1e-4.
FP32_ERROR = 3e-5
TF32_ERROR = 5e-3
STRICT_IMAGES, FEW_IMAGES = 512, 32


def strict_fp32(graph: Path, images: Images) -> Logits:
    """Logits float32 [n, classes] of the first images uint8 [N, H, W, C], at most 512, through an FP32 ONNX graph.

    On the CPU by ONNX Runtime, which multiplies float32 in full: what a GPU's "FP32" is held against.
    """
    return _answers(str(graph), images)


@dataclass(frozen=True)
class Rounding:
    """What rounding its weights alone costs a network: ‖z' − z‖ ÷ ‖z‖ of the logits, by ONNX Runtime on the CPU.

    On the first images uint8 [N, H, W, C], whose strict logits through the FP32 `graph` are `exact`
    float32 [n, classes]. Some networks, deep ones with random weights among them, enlarge what rounding does.
    """

    graph: Path
    images: Images
    exact: Logits

    def float32(self) -> float:
        """Of each weight moved to the next float32, on at most 32: two that compute in full FP32 differ by as much."""
        from roundoff.graph.rounding import to_neighbours

        return self._error(to_neighbours(), FEW_IMAGES)

    def tf32(self) -> float:
        """Of each weight rounded to ten bits of mantissa, on at most 512."""
        from roundoff.graph.rounding import to_tf32

        return self._error(to_tf32, STRICT_IMAGES)

    def _error(self, rounded: Callable[[NDArray[np.float32]], NDArray[np.float32]], most: int) -> float:
        from roundoff.graph.rounding import cost

        few = self.images[: min(most, len(self.exact))]
        return cost(self.graph, rounded, lambda moved: _answers(moved, few), self.exact[: len(few)])


def _answers(graph: str | bytes, images: Images) -> Logits:
    import onnxruntime as ort

    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    name, few, size = session.get_inputs()[0].name, images[:STRICT_IMAGES], images_per_call(images)
    parts = [np.ascontiguousarray(few[start : start + size]) for start in range(0, len(few), size)]
    logits: Logits = np.concatenate([session.run(None, {name: part})[0] for part in parts])
    return logits


def label(precision: str, error: float | None, cell: str, full_width: bool, rounding: Rounding | None) -> str:
    """The name for the row: `fp32` or `tf32` where the error against strict FP32 says so, else the one asked for.

    `rounding` is asked what float32 and TF32 cost this network, where the error is above what they cost most. Raises
    GateError where a precision of `full_width` errs by more than TF32 may: it is another network.
    """
    if error is None:
        return precision
    if error < FP32_ERROR:
        return FULL_WIDTH[0]
    if not full_width:
        return precision
    from roundoff.graph.rounding import explained

    if rounding and error <= explained(rounding.float32(), TF32_ERROR):
        return FULL_WIDTH[0]
    most = TF32_ERROR
    if rounding and error > most:
        most = max(most, explained(rounding.tf32(), math.inf))
    if error > most:
        raise GateError(
            message("neither_fp32_nor_tf32", cell=cell),
            received=f"relative error {error:.2e} against the reference",
            expected=f"under {FP32_ERROR:.0e} for FP32, at most {most:.0e} for TF32",
            fix="the engine was built from another graph or fed otherwise; build it again",
        )
    return FULL_WIDTH[1]
