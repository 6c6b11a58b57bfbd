"""FP32: the exported graph as it is, TensorFloat-32 not allowed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from roundoff.precision.base import Grid, Precision

if TYPE_CHECKING:
    import onnx

    from roundoff.calibration.observing.table import CalibrationTable


@dataclass(frozen=True)
class Fp32(Precision):
    """IEEE single precision: 8 exponent and 23 fraction bits."""

    weights: ClassVar[str] = "float32"
    activations: ClassVar[str] = "float32"
    full_width: ClassVar[bool] = True

    def convert(self, model: onnx.ModelProto, grid: Grid, table: CalibrationTable | None) -> onnx.ModelProto:
        """A copy of `model`, which computes in float32 already."""
        import onnx

        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        return copy
