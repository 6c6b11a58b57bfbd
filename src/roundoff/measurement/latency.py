"""The metrics of one engine at one batch size, from its raw timing: figures, their validity, warnings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from roundoff.backend.base import Milliseconds
from roundoff.measurement.samples import Timing, coefficient_of_variation, paired_speedup
from roundoff.measurement.statistics import Interval, quantile_interval, samples_for_percentile
from roundoff.results.cell import Batch, BindingInfo, Speedup
from roundoff.results.message import Message, message
from roundoff.results.shortfall import Shortfall

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}
NOISY = "noisy"
STEADY = 0.025
HOST_BOUND = 0.8
GRAPH_MATTERS = 0.05
RERUN = "evaluate"  # the stage that measures batch sizes


def batch_metrics(
    timing: Timing,
    reference: Timing | None,
    batch_size: int,
    info: BindingInfo,
    repeated_rounds: int = 0,
    builds: int = 1,
) -> Batch:
    """A cell at one batch size. `reference` is the same backend's fp32 at this batch size, if there is one.

    `builds` different builds took the loads in turn; `build_p50_ms` has the median of each, null if there is one only.
    What its outputs were off by, and why there is no speed-up, is for the caller to add.
    """
    throughput = throughput_interval(timing, batch_size)
    figures: Any = {
        **_percentiles("device", timing, [block.device_ms for block in timing.blocks]),
        **_percentiles("end_to_end", timing, [block.end_to_end_ms for block in timing.blocks]),
        **asdict(speedup(timing, reference)),
    }
    return Batch(
        status="measured",
        throughput_per_s=throughput.value,
        throughput_low_per_s=throughput.low,
        throughput_high_per_s=throughput.high,
        round_spread=round_spread(timing.round_ms),
        build_p50_ms=build_medians(timing, builds),
        cv=coefficient_of_variation(timing.device_ms),
        runs=len(timing.device_ms),
        rounds=len(timing.blocks),
        loads=len(np.unique(timing.round_load)),
        measured_s=timing.seconds,
        stop_reason=timing.stop_reason,
        warnings=warnings(timing, info, repeated_rounds),
        binding_info=info,
        **figures,
    )


def batch_without_figures(why: Shortfall) -> Batch:
    """A cell that was not measured at this batch size, and why."""
    return Batch(
        status=why.status,
        reason=why.reason,
        detail=why.detail,
        rerun=why.rerun(RERUN),
        repeat_spread=why.repeat_spread,
    )


def speedup(timing: Timing, reference: Timing | None) -> Speedup:
    """Times the speed of `reference`, device-only and end to end; empty without one."""
    if reference is None:
        return Speedup()
    device, whole = paired_speedup(reference, timing), paired_speedup(reference, timing, True)
    return Speedup(
        speedup=device.value,
        speedup_low=device.low,
        speedup_high=device.high,
        end_to_end_speedup=whole.value,
        end_to_end_speedup_low=whole.low,
        end_to_end_speedup_high=whole.high,
    )


def throughput_interval(timing: Timing, batch_size: int) -> Interval:
    """The median load's rate with its interval; a load's is all images over all seconds that it streamed.

    So a stall counts in full, in its load. Of the mean rate of all loads no interval is known: rare stalls decide it.
    """
    images, seconds = np.array([(batch_size * block.stream_runs, block.stream_s) for block in timing.blocks]).T
    loads = [timing.round_load == load for load in np.unique(timing.round_load)]
    return timing.median_interval(np.array([images[load].sum() / seconds[load].sum() for load in loads]))


def round_spread(round_ms: Milliseconds) -> float:
    """Half the width of the middle 95 % of the rounds' medians, over their median: noise over time."""
    low, middle, high = np.quantile(round_ms, (0.025, 0.5, 0.975))
    return float((high - low) / 2 / middle)


def build_medians(timing: Timing, builds: int) -> list[float] | None:
    """Median device-only milliseconds of each of several builds, over the loads that were its turn."""
    if builds == 1:
        return None
    by_load = timing.by_load(timing.round_ms)
    taken = timing.builds_of_loads(builds)
    return [float(np.median(by_load[taken == build])) for build in range(builds)]


def _percentiles(mode: str, timing: Timing, by_round: Sequence[Milliseconds]) -> dict[str, float | None]:
    """Each percentile with its 95 % interval; null where the samples do not support it, or do not bound it."""
    samples, loads = np.concatenate(by_round), np.repeat(timing.round_load, [len(round_ms) for round_ms in by_round])
    medians = timing.median_interval(timing.by_load(np.array([np.median(round_ms) for round_ms in by_round])))
    percentiles: dict[str, float | None] = {}
    for name, share in PERCENTILES.items():
        value, bounds = None, None
        if supported(share, len(samples)):
            value = float(np.quantile(samples, share))
            bounds = medians if name == "p50" else quantile_interval(samples, share, loads)
        percentiles[f"{mode}_{name}_ms"] = value
        # The middle of all runs may lie outside what bounds the middles of the loads.
        percentiles[f"{mode}_{name}_low_ms"] = None if value is None or bounds is None else min(bounds.low, value)
        percentiles[f"{mode}_{name}_high_ms"] = None if value is None or bounds is None else max(bounds.high, value)
    return percentiles


def supported(percentile: float, samples: int) -> bool:
    """Whether `samples` are enough for this percentile; the median stands on its own interval."""
    return percentile == PERCENTILES["p50"] or samples >= samples_for_percentile(percentile)


def warnings(timing: Timing, info: BindingInfo, repeated_rounds: int) -> list[Message]:
    """What a reader must know before believing the figures."""
    device_ms = float(np.median(timing.device_ms))
    said = []
    if (variation := coefficient_of_variation(timing.device_ms)) > STEADY:
        said.append(message(NOISY, cv=variation))
    if info.enqueue_ms and info.enqueue_ms > HOST_BOUND * device_ms:
        said.append(message("host_bound", enqueue_ms=info.enqueue_ms, device_ms=device_ms))
    if info.copy_ms and info.copy_ms > device_ms:
        said.append(message("copy_bound", copy_ms=info.copy_ms, device_ms=device_ms))
    enqueued = info.enqueued_device_ms
    if enqueued and abs(enqueued / device_ms - 1) > GRAPH_MATTERS:
        said.append(message("graph_matters", replay_ms=device_ms, enqueued_ms=enqueued))
    if repeated_rounds:
        said.append(message("throttled", rounds=repeated_rounds))
    return said
