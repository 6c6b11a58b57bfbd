"""What an 8-bit type is to a graph: how ranges become scales, and weights codes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from roundoff.calibration.base import TensorRange

Codes = NDArray[Any]
Floats = NDArray[np.float32]
# onnx.TensorProto's numbers, fixed by the format: importing onnx for them would slow every check of a configuration.
UINT8, INT8, FLOAT8E4M3FN = 2, 3, 17


class Codec(ABC):
    """An 8-bit type as QuantizeLinear uses it; `activation_type` and `weight_type` are onnx.TensorProto numbers."""

    activation_type: int
    weight_type: int

    @abstractmethod
    def activation(self, seen: TensorRange) -> tuple[np.float32, float]:
        """Scale and zero point for a tensor with that range."""

    @abstractmethod
    def weight(self, values: Floats, axis: int | None, least: Floats | float = 0) -> tuple[Floats, Codes]:
        """Scales, float32 [channels] along `axis` (or []), and codes of `values`' shape; the zero point is 0.

        No scale is below `least`, of the scales' shape.
        """
