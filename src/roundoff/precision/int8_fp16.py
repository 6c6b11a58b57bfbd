"""INT8 with an FP16 remainder: Q/DQ pairs as in INT8, and every other tensor in half precision."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from roundoff.errors import CalibrationError
from roundoff.precision.base import Grid
from roundoff.precision.int8 import Int8
from roundoff.precision.rewriting.float_types import FLOAT16

if TYPE_CHECKING:
    import onnx

    from roundoff.calibration.base import CalibrationTable

LEAST_SCALE = 32 * FLOAT16.smallest  # rounded up to float16 it is at most 3 % too large
FIRST_OPSET = 19  # the first in which ONNX defines QuantizeLinear for float16


@dataclass(frozen=True)
class Int8Fp16(Int8):
    """INT8's fields, and `keep_float32`: names of nodes or operators that stay in float32."""

    weights: ClassVar[str] = "int8"
    activations: ClassVar[str] = "int8"
    remainder: ClassVar[str] = "float16"

    keep_float32: list[str] = field(default_factory=list)

    def convert(self, model: onnx.ModelProto, grid: Grid, table: CalibrationTable | None) -> onnx.ModelProto:
        """Insert the pairs, then lower what is float32 to float16, scales included.

        Raises CalibrationError without a table of this model, or where a tensor's seen values or its scale leave
        float16's range; BuildError where a weight does.
        """
        from roundoff.precision.rewriting.cast import at_least_opset, lower

        quantized = super().convert(model, grid, table)
        assert table is not None
        lowered = lower(at_least_opset(quantized, FIRST_OPSET), FLOAT16, self.keep_float32)
        refuse_ranges_beyond_half(table, lowered)
        return lowered


def refuse_ranges_beyond_half(table: CalibrationTable, lowered: onnx.ModelProto) -> None:
    """Raise CalibrationError for an activation that float16 cannot hold where the lowered model has it in float16.

    It is too large, or is quantized with a scale so small that float16 has few digits for it.
    """
    from roundoff.graph.queries import element_types

    types = element_types(lowered)
    quantized = {node.input[0] for node in lowered.graph.node if node.op_type == "QuantizeLinear"}
    for name in sorted(table.ranges.keys() & {name for name, code in types.items() if code == FLOAT16.code}):
        seen = table.ranges[name]
        peak = max(abs(seen.seen_low), abs(seen.seen_high))
        span = max(abs(seen.low), abs(seen.high))
        if peak > FLOAT16.largest or (name in quantized and 0 < span / 255 < LEAST_SCALE):
            raise CalibrationError(
                f"activation {name} does not fit float16",
                received=f"values up to {peak:g} in magnitude, a chosen range of {span:g}",
                expected=f"values up to {FLOAT16.largest:g}, and a scale of at least {LEAST_SCALE:.2g} if quantized",
                fix="use int8 (with a float32 remainder) for this model, or name its node under `keep_float32`",
            )
