"""What differs from one CPU to the next."""

from __future__ import annotations

from roundoff.graph.sessions import integer_products_saturate


def eight_bits() -> str:
    """The type in which ONNX Runtime multiplies 8-bit layers: weights become uint8 where products saturate else."""
    return "uint8" if integer_products_saturate() else "int8"
