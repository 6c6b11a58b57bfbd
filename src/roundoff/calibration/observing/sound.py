"""Whether a range can come from calibration: nothing is quantized by one that cannot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from roundoff.calibration.base import Choice, TensorRange

LARGEST = float(np.finfo(np.float32).max)
ROUNDED = 1e-5
"""Means are kept with this relative precision, of the largest magnitude."""


def faults(tensor: TensorRange, bounded: bool = True) -> Iterator[str]:
    """What cannot be about a tensor's ranges, each in words.

    With `bounded` they have to lie within the extremes that were seen, as those of every table but the oldest do.
    """
    seen = tensor.seen_low, tensor.seen_high
    if not -LARGEST <= seen[0] <= seen[1] <= LARGEST:
        yield f"values from seen_low {seen[0]} to seen_high {seen[1]}, which are no extremes of float32 values"
        return
    for symmetric in (True, False):
        chosen = tensor.choice(symmetric)
        # 0 is on every grid, whether it was seen or not
        within = (min(seen[0], 0.0), max(seen[1], 0.0)) if bounded else (-LARGEST, LARGEST)
        yield from _of_choice(chosen, within)
    room = ROUNDED * max(map(abs, seen))
    for number, mean in enumerate(tensor.channel_means or []):
        if not seen[0] - room <= mean <= seen[1] + room:
            yield f"channel_means[{number}] of {mean}, outside of the values that were seen ({seen[0]} to {seen[1]})"


def _of_choice(chosen: Choice, within: tuple[float, float]) -> Iterator[str]:
    if not within[0] <= chosen.low <= chosen.high <= within[1]:
        yield f"the range {chosen.low} to {chosen.high}, not within what was seen ({within[0]} to {within[1]})"
    if not 0 <= chosen.clipped_fraction <= 1:
        yield f"clipped_fraction {chosen.clipped_fraction}, which is no share"
