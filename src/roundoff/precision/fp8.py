"""FP8: 8-bit float weights and activations (E4M3), by Q/DQ pairs in the graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import ml_dtypes
import numpy as np

from roundoff.errors import CalibrationError
from roundoff.graph.grid import along, rounded_up, weight_scales
from roundoff.precision.base import Grid, Quantizing
from roundoff.precision.int8_fp16 import FIRST_OPSET, lower_quantized
from roundoff.precision.rewriting.codec import FLOAT8E4M3FN, Codec, Codes, Floats

if TYPE_CHECKING:
    import onnx

    from roundoff.calibration.base import TensorRange
    from roundoff.calibration.observing.table import CalibrationTable
    from roundoff.precision.rewriting.placement import Placement

LARGEST = 448.0  # of E4M3 without infinities (Micikevicius et al., "FP8 Formats for Deep Learning", 2022)


@dataclass(frozen=True)
class Fp8(Quantizing):
    """E4M3 (4 exponent and 3 fraction bits, largest value 448) with a float16 remainder.

    Each tensor is scaled so that its range's end lies at 448; weights have a scale per output channel. The fields are
    the placement rules' switches and `bias_correction`, as in INT8; `keep_float32` names nodes, tensors or operators
    that stay in float32. `depthwise` convolutions stay in float16 by default: in E4M3, TensorRT-RTX 1.6 and 1.7 make
    engines that grow with the batch size (15 GB for a MobileNetV2 with profiles up to 8192).
    """

    weights: ClassVar[str] = "float8_e4m3fn"
    activations: ClassVar[str] = "float8_e4m3fn"
    remainder: ClassVar[str] = "float16"
    needs_calibration: ClassVar[bool] = True

    first_layer: bool = True
    last_layer: bool = False
    residual: bool = True
    depthwise: bool = False
    exclude_nodes: list[str] | str = field(default_factory=list)
    exclude_types: list[str] = field(default_factory=list)
    bias_correction: bool = True
    keep_float32: list[str] = field(default_factory=list)

    def convert(self, model: onnx.ModelProto, grid: Grid, table: CalibrationTable | None) -> onnx.ModelProto:
        """Insert the pairs and lower the remainder; raises CalibrationError without a table of this model."""
        quantized = self.with_pairs(model, grid, table)
        assert table is not None
        return lower_quantized(quantized, table, self.keep_float32)

    def float_graph(self, model: onnx.ModelProto, grid: Grid) -> onnx.ModelProto:
        """The model itself, of an operator set that knows 8-bit floats."""
        from roundoff.precision.rewriting.cast import at_least_opset

        return at_least_opset(model, FIRST_OPSET)

    def with_pairs(self, model: onnx.ModelProto, grid: Grid, table: CalibrationTable | None) -> onnx.ModelProto:
        """Insert the pairs; raises CalibrationError without a table of this model."""
        from roundoff.precision.rewriting.cast import at_least_opset
        from roundoff.precision.rewriting.chosen import note_chosen
        from roundoff.precision.rewriting.qdq import quantize

        if table is None:
            raise CalibrationError(
                "FP8 needs a calibration table", received=None, expected="a table", fix="run the calibrate stage first"
            )
        quantized = quantize(model, table, E4m3Codec(), self._placement(model), self.bias_correction)
        note_chosen(quantized, self.exclude_nodes, model)
        return at_least_opset(quantized, FIRST_OPSET)

    def quantized_tensors(self, model: onnx.ModelProto, grid: Grid) -> set[str]:
        """Names of the activations and weights that `convert` puts into 8 bits; raises BuildError."""
        from roundoff.precision.rewriting.placement import tensors

        return tensors(model, self._placement(model))

    def _placement(self, model: onnx.ModelProto) -> Placement:
        from roundoff.precision.rewriting.chosen import names_left_wide
        from roundoff.precision.rewriting.placement import Placement

        return Placement(
            first_layer=self.first_layer,
            last_layer=self.last_layer,
            residual=self.residual,
            exclude_nodes=names_left_wide(self.exclude_nodes, model),
            exclude_types=self.exclude_types,
            depthwise=self.depthwise,
        )


class E4m3Codec(Codec):
    """Symmetric scaling onto ±448 by float16 scales; rounding is to nearest even, beyond the end it saturates."""

    activation_type = FLOAT8E4M3FN
    weight_type = FLOAT8E4M3FN

    def activation(self, seen: TensorRange) -> tuple[np.float32, float]:
        """The scale that puts the larger end of the range at 448, and 0."""
        scale = np.asarray(max(abs(seen.low), abs(seen.high)) / LARGEST or 1.0)
        return np.float32(rounded_up(scale, np.float16)), 0.0

    def weight(self, values: Floats, axis: int | None, least: Floats | float = 0) -> tuple[Floats, Codes]:
        """Scales from each channel's largest magnitude, float32 [channels] or []; codes float8_e4m3fn."""
        scales = weight_scales(values, axis, LARGEST, least, np.float16)
        codes = np.clip(values / along(scales, values.ndim, axis), -LARGEST, LARGEST)
        return scales, codes.astype(ml_dtypes.float8_e4m3fn)
