"""The 16-bit float types, and what rounding weights to them does."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from roundoff.errors import BuildError

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
    too_large: dict[str, float] = field(default_factory=dict)

    def round(self, name: str, values: NDArray[np.float32], half: Half) -> NDArray[np.generic]:
        """`values` rounded to the nearest of `half`, counted."""
        size = np.abs(values)
        finite = size[np.isfinite(size)]
        self.total += values.size
        self.subnormal += int(((size > 0) & (size < half.smallest_normal)).sum())
        self.zeroed += int(((size > 0) & (size <= half.smallest / 2)).sum())
        if finite.size and finite.max() > half.largest:
            self.too_large[name] = float(finite.max())
        with np.errstate(over="ignore"):
            return values.astype(half.dtype)

    def counts(self) -> dict[str, int]:
        """How many weights there are, how many became subnormal, and how many became 0."""
        return {"weights": self.total, "subnormal_weights": self.subnormal, "zeroed_weights": self.zeroed}

    def report(self, half: Half) -> None:
        """Raise BuildError if a weight is beyond the range; log a warning if some are subnormal."""
        if self.too_large:
            name, largest = max(self.too_large.items(), key=lambda item: item[1])
            raise BuildError(
                f"{len(self.too_large)} weight tensors do not fit {half.dtype.name}",
                received=f"{name} reaches {largest:g}",
                expected=f"at most {half.largest:g}",
                fix="name the node that reads it in this precision's keep_float32, or use a wider range (bf16)",
            )
        if self.subnormal:
            log.warning(
                "%d of %d weights are subnormal in %s (below %.3g); %d of them become 0",
                *(self.subnormal, self.total, half.dtype.name, half.smallest_normal, self.zeroed),
            )
