"""INT8 weights with 16-bit activations: for networks whose activations eight bits do not hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from roundoff.errors import BuildError
from roundoff.precision.base import Grid, Precision

if TYPE_CHECKING:
    import onnx

    from roundoff.calibration.observing.table import CalibrationTable


@dataclass(frozen=True)
class Int8Int16(Precision):
    """Weights int8, symmetric per output channel; activations int16, symmetric over all that calibration images gave.

    LiteRT alone has kernels for it. `first_layer` and `last_layer` quantize the first and last layer, `residual` the
    Adds of two branches; `bias_correction` gives the biases what rounding the weights takes from the mean outputs.
    """

    weights: ClassVar[str] = "int8"
    activations: ClassVar[str] = "int16"
    needs_calibration: ClassVar[bool] = True

    first_layer: bool = True
    last_layer: bool = True
    residual: bool = True
    bias_correction: bool = True

    def convert(self, model: onnx.ModelProto, grid: Grid, table: CalibrationTable | None) -> onnx.ModelProto:
        """Raises BuildError: ONNX graphs of this kind run nowhere."""
        raise BuildError(
            "no runtime of ONNX graphs multiplies int8 weights by int16 activations",
            received="a backend that takes ONNX",
            expected="litert",
            fix="leave int8_int16 out of precision, or have the backend refuse it",
        )
