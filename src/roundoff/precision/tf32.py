"""TF32: float32 in memory, products of operands rounded to 10 fraction bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from roundoff.precision.fp32 import Fp32


@dataclass(frozen=True)
class Tf32(Fp32):
    """The FP32 graph, with the backend allowed to multiply in TensorFloat-32 (Ampere GPUs and newer)."""

    weights: ClassVar[str] = "tf32"
    activations: ClassVar[str] = "tf32"
    allows_tf32: ClassVar[bool] = True
