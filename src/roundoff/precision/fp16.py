"""FP16: weights and activations in IEEE half precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from roundoff.precision.base import Grid, Halving

if TYPE_CHECKING:
    import onnx

    from roundoff.calibration.observing.table import CalibrationTable
    from roundoff.precision.rewriting.float_types import Half


@dataclass(frozen=True)
class Fp16(Halving):
    """IEEE half precision: 5 exponent and 10 fraction bits, largest value 65504, smallest normal 6.1e-5.

    `keep_float32` names nodes, tensors or operators that stay in float32, or is the file of a choice of them.
    """

    weights: ClassVar[str] = "float16"
    activations: ClassVar[str] = "float16"

    keep_float32: tuple[str, ...] | str = ()

    @property
    def half(self) -> Half:
        """float16."""
        from roundoff.precision.rewriting.float_types import FLOAT16

        return FLOAT16

    def convert(self, model: onnx.ModelProto, grid: Grid, table: CalibrationTable | None) -> onnx.ModelProto:
        """The graph in float16; raises BuildError for an entry of `keep_float32` that names nothing."""
        from roundoff.precision.rewriting.cast import lower
        from roundoff.precision.rewriting.chosen import names_left_wide, note_chosen

        lowered = lower(model, self.half, names_left_wide(self.keep_float32, model))
        note_chosen(lowered, self.keep_float32, model)
        return lowered
