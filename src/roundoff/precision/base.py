"""What a precision is: a rewrite of the FP32 ONNX graph, so that an engine builder never branches on it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    import onnx

    from roundoff.calibration.observing.table import CalibrationTable
    from roundoff.precision.rewriting.float_types import Half


@dataclass(frozen=True)
class Grid:
    """The integer grid a backend's kernels want for activations; weights are int8, symmetric, per output channel.

    With `symmetric` the zero point is 0 (int8) or 128 (uint8); without, it is fitted to the range.
    """

    activation: Literal["int8", "uint8"] = "int8"
    symmetric: bool = True

    @property
    def fuses_add(self) -> bool:
        """Whether the kernels behind this grid add a residual inside the Conv before it, as TensorRT's do."""
        return self.symmetric and self.activation == "int8"


class Precision(ABC):
    """A precision. A subclass is a frozen dataclass whose fields are its YAML's keys.

    Class attributes state what the precision is, for backends that do not take ONNX graphs, and for the report:
    `weights` and `activations` are NumPy/ml_dtypes type names (`tf32` for TensorFloat-32); `remainder` is the type of
    what a quantized precision leaves unquantized. `full_width` says that it computes FP32's own graph, in FP32 or TF32:
    what errs more than that is another network.
    """

    weights: ClassVar[str]
    activations: ClassVar[str]
    remainder: ClassVar[str] = "float32"
    needs_calibration: ClassVar[bool] = False
    allows_tf32: ClassVar[bool] = False
    full_width: ClassVar[bool] = False

    @abstractmethod
    def convert(self, model: onnx.ModelProto, grid: Grid, table: CalibrationTable | None) -> onnx.ModelProto:
        """A new graph in this precision; inputs and outputs keep names and types (image uint8, logits float32).

        `table` is given exactly when `needs_calibration`. Raises BuildError or CalibrationError.
        """

    def quantized_tensors(self, model: onnx.ModelProto, grid: Grid) -> set[str]:
        """Names of the activations and weights of the FP32 graph that `convert` puts into 8 bits on that grid."""
        return set()


class Quantizing(Precision):
    """A precision that puts 8-bit values into the graph by pairs; what its remainder becomes is another step.

    `exclude_nodes` are names that it leaves wide, or the file of a choice of them.
    """

    exclude_nodes: list[str] | str

    @abstractmethod
    def float_graph(self, model: onnx.ModelProto, grid: Grid) -> onnx.ModelProto:
        """The FP32 graph that `with_pairs` changes nothing of but what nodes read: the model, or one equal to it."""

    @abstractmethod
    def with_pairs(self, model: onnx.ModelProto, grid: Grid, table: CalibrationTable | None) -> onnx.ModelProto:
        """The graph with pairs alone, its remainder in float32; raises BuildError or CalibrationError."""


class Halving(Precision):
    """A precision that computes in 16-bit floats.

    `keep_float32` are names of nodes, tensors or operators that it leaves in float32, or the file of a choice of them.
    """

    keep_float32: Sequence[str] | str

    @property
    @abstractmethod
    def half(self) -> Half:
        """The type."""
