"""How far answers are from those that they should be."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

VALUES = 2**17  # in float64 at once: 1 MB


def relative_error(received: NDArray[Any], expected: NDArray[Any]) -> float:
    """‖received − expected‖ ÷ ‖expected‖, Euclidean over all values, in float64.

    Infinite where only the latter is 0, 0 where both are; not a number where one of `received` or `expected` is none.
    """
    step = max(1, VALUES // max(1, expected[:1].size)) if expected.ndim else 1
    if expected.ndim == 0 or len(expected) <= step:
        return _ratio(*_norms(received, expected))
    parts = [
        _norms(received[first : first + step], expected[first : first + step])
        for first in range(0, len(expected), step)
    ]
    # of norms the norm is theirs together
    return _ratio(*(float(np.linalg.norm(column)) for column in zip(*parts, strict=True)))


def _norms(received: NDArray[Any], expected: NDArray[Any]) -> tuple[float, float]:
    wide = expected.astype(np.float64)
    return float(np.linalg.norm(received.astype(np.float64) - expected)), float(np.linalg.norm(wide))


def _ratio(difference: float, scale: float) -> float:
    return difference / scale if scale != 0 else (0.0 if difference == 0 else float("inf"))
