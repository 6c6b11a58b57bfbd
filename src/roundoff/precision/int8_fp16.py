"""INT8 with an FP16 remainder: Q/DQ pairs as in INT8, and every other tensor in half precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from roundoff.errors import CalibrationError
from roundoff.precision.base import Grid
from roundoff.precision.int8 import Int8
from roundoff.precision.rewriting.float_types import FLOAT16
from roundoff.precision.rewriting.kept import QUANTIZED

if TYPE_CHECKING:
    import onnx

    from roundoff.calibration.observing.table import CalibrationTable

LEAST_SCALE = 32 * FLOAT16.smallest  # rounded up to float16 it is at most 3 % too large
# The first in which ONNX defines QuantizeLinear for float16 and 8-bit floats: the table belongs to the graph of before.
FIRST_OPSET = 19


@dataclass(frozen=True)
class Int8Fp16(Int8):
    """INT8's fields, and `keep_float32`: names of nodes, tensors or operators that stay in float32."""

    weights: ClassVar[str] = "int8"
    activations: ClassVar[str] = "int8"
    remainder: ClassVar[str] = "float16"

    keep_float32: list[str] = field(default_factory=list)

    def convert(self, model: onnx.ModelProto, grid: Grid, table: CalibrationTable | None) -> onnx.ModelProto:
        """Insert the pairs, then lower what is float32 to float16, scales included.

        Raises CalibrationError without a table of this model, or for a tensor of which float16 has no scale.
        """
        quantized = self.with_pairs(model, grid, table)
        assert table is not None
        return lower_quantized(quantized, table, self.keep_float32)


def lower_quantized(quantized: onnx.ModelProto, table: CalibrationTable, keep: Sequence[str]) -> onnx.ModelProto:
    """A graph with pairs, its remainder in float16; what the table saw beyond float16's range stays in float32.

    Raises CalibrationError for an activation that is quantized with a scale of which float16 has few digits.
    """
    from roundoff.precision.rewriting.cast import at_least_opset, lower
    from roundoff.precision.rewriting.kept import OVERFLOWS, note_kept

    _refuse_small_scales(quantized, table)
    beyond = _beyond_half(quantized, table, keep)
    wide = [name for tensor in beyond for name in (tensor, f"{tensor}{QUANTIZED}")]
    known = {name for node in quantized.graph.node for name in node.output}
    lowered = lower(at_least_opset(quantized, FIRST_OPSET), FLOAT16, [*keep, *known.intersection(wide)])
    note_kept(lowered, OVERFLOWS, [f"{name} ({peak:.3g})" for name, peak in beyond.items()])
    return lowered


def _beyond_half(quantized: onnx.ModelProto, table: CalibrationTable, keep: Sequence[str]) -> dict[str, float]:
    """Activations that float16 cannot hold, with their peaks, other than those that `keep` names already."""
    from roundoff.graph.queries import activations

    peaks = {name: max(abs(seen.seen_low), abs(seen.seen_high)) for name, seen in table.ranges.items()}
    return {
        name: peaks[name]
        for name in sorted(peaks.keys() & activations(quantized) - set(keep))
        if peaks[name] >= FLOAT16.first_beyond
    }


def _refuse_small_scales(quantized: onnx.ModelProto, table: CalibrationTable) -> None:
    held = {node.input[0] for node in quantized.graph.node if node.op_type == "QuantizeLinear"}
    for name in sorted(held & table.ranges.keys()):
        span = max(abs(table.ranges[name].low), abs(table.ranges[name].high))
        if 0 < span / 255 < LEAST_SCALE:
            raise CalibrationError(
                f"activation {name} does not fit float16",
                received=f"a chosen range of {span:g}",
                expected=f"a scale of at least {LEAST_SCALE:.2g}",
                fix="use int8 (with a float32 remainder) for this model, or name the tensor under `exclude_nodes`",
            )
