"""Bias correction: what rounding a Conv's weight takes from its mean output, to be given back by its bias.

Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019, section 4.2, with the
means of the inputs measured rather than derived.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from roundoff.errors import CalibrationError

Floats = NDArray[np.float32]


def rounding_sums(weight: Floats, quantized: Floats) -> NDArray[np.float64]:
    """W - W_q of a Conv's weights [out, in ÷ groups, *kernel], summed over the kernel: float64 [out, in ÷ groups]."""
    sums: NDArray[np.float64] = (weight.astype(np.float64) - quantized).reshape(*weight.shape[:2], -1).sum(axis=2)
    return sums


def bias_shift(rounding: NDArray[np.float64], channel_means: Sequence[float], groups: int) -> Floats:
    """Σ (W - W_q) · E[x] by output channel, float32 [out].

    `rounding` is that of `rounding_sums`; `channel_means` are E[x], [in]. At a padded border, where x is 0, the shift
    is too large: on maps narrower than the kernel by more than it corrects, so that these are left alone.
    Raises CalibrationError for means of another number of channels.
    """
    outputs, inputs = len(rounding), groups * rounding.shape[1]
    if len(channel_means) != inputs:
        raise CalibrationError(
            "the calibration table's means do not fit a Conv's input",
            received=f"channel_means of {len(channel_means)} channels",
            expected=f"{inputs}, one for each channel that it takes",
            fix="run the calibrate stage again on this model",
        )
    means = np.asarray(channel_means, np.float64).reshape(groups, -1)
    shift: NDArray[np.float64] = np.einsum("goi,gi->go", rounding.reshape(groups, outputs // groups, -1), means)
    return shift.reshape(outputs).astype(np.float32)
