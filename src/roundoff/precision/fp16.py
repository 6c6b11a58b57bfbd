"""FP16: weights and activations in IEEE half precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from roundoff.precision.base import Grid, Precision

if TYPE_CHECKING:
    import onnx

    from roundoff.calibration.observing.table import CalibrationTable


@dataclass(frozen=True)
class Fp16(Precision):
    """IEEE half precision: 5 exponent and 10 fraction bits, largest value 65504, smallest normal 6.1e-5.

    `keep_float32` names nodes, tensors or operators that stay in float32.
    """

    weights: ClassVar[str] = "float16"
    activations: ClassVar[str] = "float16"

    keep_float32: tuple[str, ...] = ()

    def convert(self, model: onnx.ModelProto, grid: Grid, table: CalibrationTable | None) -> onnx.ModelProto:
        """The graph in float16; raises BuildError for an entry of `keep_float32` that names nothing."""
        from roundoff.precision.rewriting.cast import lower
        from roundoff.precision.rewriting.float_types import FLOAT16

        return lower(model, FLOAT16, self.keep_float32)
