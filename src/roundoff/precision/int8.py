"""INT8: 8-bit weights and activations, by Q/DQ pairs in the graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from roundoff.errors import CalibrationError
from roundoff.graph.grid import along, grid_for, weight_scales
from roundoff.precision.base import Grid, Quantizing
from roundoff.precision.rewriting.codec import INT8, UINT8, Codec, Codes, Floats

if TYPE_CHECKING:
    import onnx

    from roundoff.calibration.base import TensorRange
    from roundoff.calibration.observing.table import CalibrationTable
    from roundoff.precision.rewriting.placement import Placement

TENSORRT = Grid()


@dataclass(frozen=True)
class Int8(Quantizing):
    """Weights int8 symmetric per output channel, activations on the backend's grid; the placement rules' switches.

    `exclude_nodes` are names of nodes to leave in FP32, or of tensors as the noise report lists them (* and ? stand for
    any characters), or the file of a choice of them; `exclude_types` are operators. `bias_correction` gives the biases
    what rounding the weights takes from the mean outputs.
    """

    weights: ClassVar[str] = "int8"
    activations: ClassVar[str] = "int8"
    needs_calibration: ClassVar[bool] = True

    first_layer: bool = True
    last_layer: bool = False
    residual: bool = True
    exclude_nodes: list[str] | str = field(default_factory=list)
    exclude_types: list[str] = field(default_factory=list)
    bias_correction: bool = True

    def convert(self, model: onnx.ModelProto, grid: Grid, table: CalibrationTable | None) -> onnx.ModelProto:
        """Insert the pairs; raises CalibrationError without a table of this very model."""
        return self.with_pairs(model, grid, table)

    def with_pairs(self, model: onnx.ModelProto, grid: Grid, table: CalibrationTable | None) -> onnx.ModelProto:
        """The same, scales being values of the type of the remainder."""
        from roundoff.precision.rewriting.chosen import note_chosen
        from roundoff.precision.rewriting.qdq import quantize

        if table is None:
            raise CalibrationError(
                "INT8 needs a calibration table", received=None, expected="a table", fix="run the calibrate stage first"
            )
        codec = IntegerCodec(grid, self.remainder)
        made = quantize(model, table, codec, self._placement(model, grid), self.bias_correction)
        note_chosen(made, self.exclude_nodes, model)
        return made

    def float_graph(self, model: onnx.ModelProto, grid: Grid) -> onnx.ModelProto:
        """Scales and offsets by channel are Convs where the kernels do not fuse an Add."""
        from roundoff.precision.rewriting.by_channel import as_convolutions

        return model if self._placement(model, grid).fuses_add else as_convolutions(model)

    def quantized_tensors(self, model: onnx.ModelProto, grid: Grid = TENSORRT) -> set[str]:
        """Names of the activations and weights that `convert` puts into 8 bits on that grid; raises BuildError."""
        from roundoff.precision.rewriting.placement import tensors

        return tensors(model, self._placement(model, grid))

    def _placement(self, model: onnx.ModelProto, grid: Grid) -> Placement:
        from roundoff.precision.rewriting.chosen import names_left_wide
        from roundoff.precision.rewriting.placement import Placement

        return Placement(
            first_layer=self.first_layer,
            last_layer=self.last_layer,
            residual=self.residual,
            # Kernels that are told by their output take float32 scales alone: beside float16 none would be formed.
            fuses_add=grid.fuses_add or self.remainder != "float32",
            exclude_nodes=names_left_wide(self.exclude_nodes, model),
            exclude_types=self.exclude_types,
        )


class IntegerCodec(Codec):
    """Activations on a grid of 256 codes; weights int8, symmetric; scales are values of the type `remainder`."""

    weight_type = INT8

    def __init__(self, grid: Grid, remainder: str = "float32") -> None:
        self.grid, self.remainder = grid, remainder
        self.activation_type = INT8 if grid.activation == "int8" else UINT8

    def activation(self, seen: TensorRange) -> tuple[np.float32, float]:
        """Scale and zero point that cover the range chosen for such a grid."""
        chosen = seen.choice(self.grid.symmetric)
        return grid_for(chosen.low, chosen.high, self.grid.activation, self.grid.symmetric, self.remainder)

    def weight(self, values: Floats, axis: int | None, least: Floats | float = 0) -> tuple[Floats, Codes]:
        """Scales from each channel's largest magnitude, codes -127 to 127."""
        scales = weight_scales(values, axis, least=least, stored_as=self.remainder)
        codes = np.rint(values / along(scales, values.ndim, axis))
        return scales, np.clip(codes, -127, 127).astype(np.int8)
