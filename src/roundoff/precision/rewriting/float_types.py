"""The 16-bit float types, and what rounding weights to them does."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Half:
    """A 16-bit float type: its ONNX code, its name in ONNX's operator schemas, and its limits."""

    code: int
    schema_name: str
    dtype: np.dtype
    largest: float
    smallest_normal: float
    smallest: float

    @property
    def first_beyond(self) -> float:
        """The smallest magnitude out of range; infinite where rounding takes every float32 to a finite value.

        That holds for bfloat16, in steps of 2^-8 at its end: what is beyond its largest value is 0.4 % away from it.
        """
        return float("inf") if self.largest > 3e38 else self.largest * (1 + 2.0**-12)


# onnx.TensorProto's numbers, fixed by the format: importing onnx for them would slow every check of a configuration.
FLOAT16 = Half(10, "tensor(float16)", np.dtype(np.float16), 65504.0, 2.0**-14, 2.0**-24)
BFLOAT16 = Half(
    16,
    "tensor(bfloat16)",
    np.dtype(ml_dtypes.bfloat16),
    (2.0 - 2.0**-7) * 2.0**127,
    2.0**-126,
    2.0**-133,
)


@dataclass
class RoundedWeights:
    """Counts of what rounding to 16 bits did to the weights."""

    total: int = 0
    subnormal: int = 0
    zeroed: int = 0

    def round(self, values: NDArray[np.float32], half: Half, keeps_sign: bool = False) -> NDArray[np.generic]:
        """`values` rounded to the nearest finite value of `half`, counted; what was infinite stays so.

        With `keeps_sign` none becomes 0 that was not.
        """
        size = np.abs(values)
        self.total += values.size
        self.subnormal += int(((size > 0) & (size < half.smallest_normal)).sum())
        zeroed = (size > 0) & (size <= half.smallest / 2)
        if keeps_sign:
            values = np.where(zeroed, np.copysign(np.float32(half.smallest), values), values)
        else:
            self.zeroed += int(zeroed.sum())
        limit = np.float32(half.largest)
        inside = np.where(np.isfinite(values), np.clip(values, -limit, limit), values)
        return np.asarray(inside, np.float32).astype(half.dtype)

    def counts(self) -> dict[str, int]:
        """How many weights there are, how many became subnormal, and how many became 0."""
        return {"weights": self.total, "subnormal_weights": self.subnormal, "zeroed_weights": self.zeroed}

    def report(self, half: Half) -> None:
        """Log a warning if some weights are subnormal."""
        if self.subnormal:
            log.warning(
                "warning: %d of %d weights are subnormal in %s (below %.3g), so they lose digits (%d become 0): "
                "where accuracy falls, name what reads them in the precision's keep_float32",
                *(self.subnormal, self.total, half.dtype.name, half.smallest_normal, self.zeroed),
            )
