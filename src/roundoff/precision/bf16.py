"""BF16: weights and activations in bfloat16."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from roundoff.precision.base import Grid, Precision
from roundoff.precision.rewriting.float_types import BFLOAT16

if TYPE_CHECKING:
    import onnx

    from roundoff.calibration.observing.table import CalibrationTable

FIRST_OPSET = 22  # the first in which ONNX defines Conv and the poolings for bfloat16


@dataclass(frozen=True)
class Bf16(Precision):
    """bfloat16: float32's 8 exponent bits with 7 fraction bits.

    `keep_float32` names nodes, tensors or operators that stay in float32.
    """

    weights: ClassVar[str] = "bfloat16"
    activations: ClassVar[str] = "bfloat16"

    keep_float32: tuple[str, ...] = ()

    def convert(self, model: onnx.ModelProto, grid: Grid, table: CalibrationTable | None) -> onnx.ModelProto:
        """The graph in bfloat16, at operator set 22 or newer."""
        from roundoff.precision.rewriting.cast import at_least_opset, lower
        from roundoff.precision.rewriting.spelled_out import spelled_out

        lowered = lower(at_least_opset(model, FIRST_OPSET), BFLOAT16, self.keep_float32)
        return spelled_out(lowered, BFLOAT16.code)
