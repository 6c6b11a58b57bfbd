"""What a cell computes in, by its measured error: a row must not claim a precision that it does not have."""

from __future__ import annotations

from roundoff.errors import GateError

# Strict FP32 lands under 1e-5 of another strict FP32 run; ten bits of mantissa (TF32, FP16) cannot get under 1e-4.
FP32_ERROR = 3e-5
TF32_ERROR = 5e-3


def label(precision: str, error: float | None, cell: str) -> str:
    """The name for the row: `fp32` or `tf32` where the relative error says so, else the precision asked for.

    Raises GateError for a cell asked for as fp32 (or tf32) whose error is beyond TF32's: that is another network.
    """
    if error is None:
        return precision
    if error < FP32_ERROR:
        return "fp32"
    if precision not in ("fp32", "tf32"):
        return precision
    if error > TF32_ERROR:
        raise GateError(
            f"{cell} is neither FP32 nor TF32",
            received=f"relative error {error:.2e} against the reference",
            expected=f"under {FP32_ERROR:.0e} for FP32, at most {TF32_ERROR:.0e} for TF32",
            fix="the engine was built from another graph or fed otherwise; build it again",
        )
    return "tf32"
