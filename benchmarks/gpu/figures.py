"""The figures of one engine at one batch size, from several loads of it and of the bare replay loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from roundoff.measurement.latency import PERCENTILES, supported


@dataclass(frozen=True)
class Load:
    """What one pair of loads gave: milliseconds by round, ours of each run [rounds, runs]; seconds streamed."""

    ours: np.ndarray
    theirs: np.ndarray
    tight: np.ndarray
    whole: np.ndarray
    seconds: np.ndarray
    copies: tuple[float, float]

    @property
    def medians(self) -> np.ndarray:
        """Our device-only time in each round."""
        return np.asarray(np.median(self.ours, axis=1))


def figures(size: int, loads: Sequence[Load]) -> dict[str, Any]:
    """Medians over all rounds, but of ratios: these over the rounds of each load, and then over loads."""
    ours, whole = (np.concatenate([getattr(load, name).ravel() for load in loads]) for name in ("ours", "whole"))
    tight = over_rounds(loads, lambda load: load.tight)
    over_bare = [float(np.median(load.medians / load.theirs)) for load in loads]
    copy_in, copy_out = (float(np.median([load.copies[way] for load in loads])) for way in (0, 1))
    limiting = max(copy_in, copy_out, tight)
    throughput = size * len(ours) / float(sum(load.seconds.sum() for load in loads))
    return {
        "status": "measured",
        "runs": len(ours),
        "loads": len(loads),
        "device_ms": over_rounds(loads, lambda load: load.medians),
        "bare_ms": over_rounds(loads, lambda load: load.theirs),
        "bare_back_to_back_ms": tight,
        "device_over_bare": float(np.median(over_bare)),
        "device_over_bare_by_load": over_bare,
        "device_over_back_to_back": float(np.median([np.median(load.medians / load.tight) for load in loads])),
        "end_to_end_ms": float(np.median(whole)),
        **percentiles("device", ours),
        **percentiles("end_to_end", whole),
        "copy_in_ms": copy_in,
        "copy_out_ms": copy_out,
        "throughput_per_s": throughput,
        "limit_per_s": 1e3 * size / limiting,
        "throughput_over_limit": throughput * limiting / 1e3 / size,
    }


def over_rounds(loads: Sequence[Load], figure: Callable[[Load], np.ndarray]) -> float:
    """The median of a figure over the rounds of all loads."""
    return float(np.median(np.concatenate([figure(load) for load in loads])))


def percentiles(mode: str, samples_ms: np.ndarray) -> dict[str, float | None]:
    """p50 to p99 in milliseconds; null where there are too few samples for one."""
    wanted = {name: share for name, share in PERCENTILES.items() if share <= 0.99}
    return {
        f"{mode}_{name}_ms": float(np.quantile(samples_ms, share)) if supported(share, len(samples_ms)) else None
        for name, share in wanted.items()
    }
