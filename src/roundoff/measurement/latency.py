"""The metrics of one engine at one batch size, from its raw timing: figures, their validity, warnings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from roundoff.backend.base import Milliseconds
from roundoff.measurement.statistics import Interval, median_interval, quantile_interval, samples_for_percentile
from roundoff.measurement.timing import Timing, coefficient_of_variation, paired_speedup
from roundoff.results.shortfall import Shortfall

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}
NOISY = 0.025
HOST_BOUND = 0.8
GRAPH_MATTERS = 0.05
RERUN = "evaluate"  # the stage that measures batch sizes
ANSWERS = ("output_error", "output_tolerance", "repeat_spread", "repeat_tolerance")


def batch_metrics(
    timing: Timing,
    reference: Timing | None,
    batch_size: int,
    facts: Mapping[str, Any],
    repeated_rounds: int = 0,
    builds: int = 1,
) -> dict[str, Any]:
    """The object `batch_N` of a cell. `reference` is the same backend's fp32 at this batch size, if there is one.

    `builds` different builds took the loads in turn; `build_p50_ms` has the median of each, null if there is one only.

    Latencies are milliseconds, throughput images per second of host wall time. `facts` is what the runner says of
    itself; the keys `enqueue_ms`, `copy_ms`, `device_ms` and `enqueued_device_ms` are understood where given.
    """
    throughput = throughput_interval(timing, batch_size)
    return {
        **dict.fromkeys(("status", "reason", "detail", "rerun")),
        "status": "measured",
        **_percentiles("device", timing, [block.device_ms for block in timing.blocks]),
        **_percentiles("end_to_end", timing, [block.end_to_end_ms for block in timing.blocks]),
        "throughput_per_s": throughput.value,
        "throughput_low_per_s": throughput.low,
        "throughput_high_per_s": throughput.high,
        **_speedup("speedup", None if reference is None else paired_speedup(reference, timing)),
        **_speedup("end_to_end_speedup", None if reference is None else paired_speedup(reference, timing, True)),
        "speedup_reason": None,
        **dict.fromkeys(ANSWERS),
        "round_spread": round_spread(timing.round_ms),
        "build_p50_ms": build_medians(timing, builds),
        "variation": coefficient_of_variation(timing.device_ms),
        "runs": len(timing.device_ms),
        "rounds": len(timing.blocks),
        "loads": len(np.unique(timing.round_load)),
        "seconds": timing.seconds,
        "stopped": timing.stopped,
        "warnings": warnings(timing, facts, repeated_rounds),
        "facts": dict(facts),
    }


def batch_unavailable(reason: str) -> dict[str, Any]:
    """The object `batch_N` of a cell that cannot run this batch size: the same keys, null, and the reason."""
    return batch_without_figures(Shortfall("unavailable", reason))


def batch_without_figures(why: Shortfall) -> dict[str, Any]:
    """The object `batch_N` of a cell that was not measured at this batch size: the same keys, null, and why."""
    modes = [f"{mode}_{name}" for mode in ("device", "end_to_end") for name in PERCENTILES]
    percentiles = [f"{name}{bound}_ms" for name in modes for bound in ("", "_low", "_high")]
    speedups = [f"{mode}{bound}" for mode in ("speedup", "end_to_end_speedup") for bound in ("", "_low", "_high")]
    throughput = ["throughput_per_s", "throughput_low_per_s", "throughput_high_per_s"]
    others = ["speedup_reason", *ANSWERS, "round_spread", "build_p50_ms", "variation", "seconds", "stopped"]
    empty: dict[str, Any] = dict.fromkeys([*percentiles, *throughput, *speedups, *others])
    empty["repeat_spread"] = why.repeat_spread
    return {**why.row(RERUN), **empty, "runs": 0, "rounds": 0, "loads": 0, "warnings": [], "facts": {}}


def throughput_interval(timing: Timing, batch_size: int) -> Interval:
    """All images over all seconds streamed, with the interval of the loads' rates, widened to hold that mean rate."""
    images = np.array([batch_size * block.stream_runs for block in timing.blocks], dtype=np.float64)
    seconds = np.array([block.stream_s for block in timing.blocks])
    rate, middle = float(images.sum() / seconds.sum()), median_interval(timing.by_load(images / seconds))
    return Interval(rate, min(rate, middle.low), max(rate, middle.high))


def round_spread(round_ms: Milliseconds) -> float:
    """Half the width of the middle 95 % of the rounds' medians, over their median: noise over time."""
    low, middle, high = np.quantile(round_ms, (0.025, 0.5, 0.975))
    return float((high - low) / 2 / middle)


def build_medians(timing: Timing, builds: int) -> list[float] | None:
    """Median device-only milliseconds of each of several builds, over the loads that were its turn."""
    if builds == 1:
        return None
    by_load = timing.by_load(timing.round_ms)
    turn = np.unique(timing.round_load) % builds
    return [float(np.median(by_load[turn == build])) for build in range(builds)]


def _percentiles(mode: str, timing: Timing, by_round: Sequence[Milliseconds]) -> dict[str, float | None]:
    """Each percentile with its 95 % interval; null where the samples do not support it, or do not bound it."""
    samples, loads = np.concatenate(by_round), np.repeat(timing.round_load, [len(round_ms) for round_ms in by_round])
    medians = median_interval(timing.by_load(np.array([np.median(round_ms) for round_ms in by_round])))
    found: dict[str, float | None] = {}
    for name, share in PERCENTILES.items():
        value, bounds = None, None
        if supported(share, len(samples)):
            value = float(np.quantile(samples, share))
            bounds = medians if name == "p50" else quantile_interval(samples, share, loads)
        found[f"{mode}_{name}_ms"] = value
        # The middle of all runs may lie outside what bounds the middles of the loads.
        found[f"{mode}_{name}_low_ms"] = None if value is None or bounds is None else min(bounds.low, value)
        found[f"{mode}_{name}_high_ms"] = None if value is None or bounds is None else max(bounds.high, value)
    return found


def supported(percentile: float, samples: int) -> bool:
    """Whether `samples` are enough for this percentile; the median stands on its own interval."""
    return percentile == PERCENTILES["p50"] or samples >= samples_for_percentile(percentile)


def _speedup(name: str, found: Interval | None) -> dict[str, float | None]:
    values = (None, None, None) if found is None else (found.value, found.low, found.high)
    return dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))


def warnings(timing: Timing, facts: Mapping[str, Any], repeated_rounds: int) -> list[str]:
    """What a reader must know before believing the figures, in words with numbers."""
    device_ms = float(np.median(timing.device_ms))
    found = []
    if (variation := coefficient_of_variation(timing.device_ms)) > NOISY:
        found.append(
            f"noisy: single runs vary by {variation:.1%} (standard deviation over mean; steady is 2.5 % or less)"
        )
    if (enqueue := facts.get("enqueue_ms")) and enqueue > HOST_BOUND * device_ms:
        found.append(f"host-bound: enqueueing takes {enqueue:.4g} ms, the device {device_ms:.4g} ms")
    if (copy := facts.get("copy_ms")) and copy > device_ms:
        found.append(f"copy-bound: copies take {copy:.4g} ms, computing {device_ms:.4g} ms")
    enqueued = facts.get("enqueued_device_ms")
    if enqueued and abs(enqueued / device_ms - 1) > GRAPH_MATTERS:
        found.append(f"CUDA graph: {device_ms:.4g} ms by graph replay, {enqueued:.4g} ms enqueued one by one")
    if repeated_rounds:
        found.append(f"throttled: {repeated_rounds} rounds were repeated since the reasons for throttling changed")
    return found
