"""A tensor's range, as a calibrator chooses it from histograms."""

from __future__ import annotations

from roundoff.calibration.base import Calibrator, TensorRange
from roundoff.calibration.observing.histogram import Histogram
from roundoff.calibration.observing.sound import faults
from roundoff.errors import CalibrationError


def choose_range(calibrator: Calibrator, seen: Histogram, held_out: Histogram) -> TensorRange:
    """The calibrator's range for one tensor, for each kind of grid."""
    symmetric, asymmetric = calibrator.choices(seen, held_out)
    chosen = TensorRange(
        low=symmetric.low,
        high=symmetric.high,
        seen_low=min(seen.low, held_out.low),
        seen_high=max(seen.high, held_out.high),
        method=symmetric.method,
        clipped_fraction=symmetric.clipped_fraction,
        histogram=seen.summary(),
        channel_means=seen.channel_means(),
        fallback=symmetric.fallback,
        asymmetric=asymmetric,
    )
    if wrong := next(faults(chosen), None):
        raise CalibrationError(
            f"the calibration method {symmetric.method} chose a range that cannot be",
            received=wrong,
            expected="low at most high, both within the extremes of the values that it was shown",
            fix="mend `choices`, `ends` or `threshold` of its class, or choose another method: calibrate=mse",
        )
    return chosen
