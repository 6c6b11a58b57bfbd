"""How far answers are from those that they should be."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def relative_error(received: NDArray[Any], expected: NDArray[Any]) -> float:
    """‖received − expected‖ ÷ ‖expected‖, Euclidean over all values, in float64.

    Infinite where only the latter is 0, 0 where both are; not a number where one of `received` or `expected` is none.
    """
    difference = float(np.linalg.norm(received.astype(np.float64) - expected))
    scale = float(np.linalg.norm(expected.astype(np.float64)))
    return difference / scale if scale != 0 else (0.0 if difference == 0 else float("inf"))
