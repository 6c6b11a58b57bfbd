"""What a precision stores and computes in, as `evaluate` tells it of each and as the report takes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from roundoff.results.values import about


@dataclass(frozen=True)
class Types:
    """What a precision stores and computes in: names of NumPy or ml_dtypes, and `tf32` for TensorFloat-32."""

    weights: Annotated[str, about("type of the weights")]
    activations: Annotated[str, about("type of the activations")]
    remainder: Annotated[str, about("type of what a quantized precision leaves unquantized")]

    @property
    def weight_bits(self) -> int | None:
        """None for a type whose name has no number."""
        return type_bits(self.weights)

    @property
    def rank(self) -> tuple[float, str, str, str]:
        """By which a report sorts: the widest weights first, then the types by name."""
        bits = self.weight_bits
        return (-bits if bits else 0.0, self.weights, self.activations, self.remainder)

    @property
    def multiplied(self) -> str:
        """The type that its products' operands are read in: TensorFloat-32's are float32 in memory."""
        return "float32" if self.activations == "tf32" else self.activations


def type_bits(kind: str) -> int | None:
    """The width that a type's name tells: 8 of float8_e4m3fn; None where it tells none."""
    digits = re.search(r"\d+", kind)
    return int(digits[0]) if digits else None
