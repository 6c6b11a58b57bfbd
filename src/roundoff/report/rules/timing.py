"""Rules of the timing: rounds side by side, warm-up, enough runs, builds, the control, CUDA graphs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from roundoff.measurement.latency import PERCENTILES, supported
from roundoff.report.rules.rule import NOTHING, Seen
from roundoff.report.words.noise import width_words
from roundoff.report.words.numbers import out_of, percent, plain, times_with_interval
from roundoff.results.message import Words, message
from roundoff.results.values import StopReason, bounds_of
from roundoff.revisions.read import Evidence
from roundoff.system.slots import REFERENCE_PRECISION

REASONS: tuple[StopReason, ...] = get_args(StopReason)
CLOCKS = ("device", "end_to_end")
# MEASURING: what every engine and batch size gets at least
LEAST_WARMUP_MS, LEAST_WARMUP_RUNS, LEAST_SECONDS = 200, 10, 3


def interleaved(evidence: Evidence, words: Words) -> Seen:
    """Held where every timed cell shared a device's rounds with the FP32 of its backend, for two rounds or more."""
    timings, together = evidence.timings, _together(evidence)
    rounds = [timing.rounds for timing in timings if timing.rounds]
    if not rounds or not together:
        return NOTHING
    few = sum(1 for count in rounds if count < 2)
    alone = _alone(evidence, together)
    few_words = out_of(few, len(rounds), words)
    text = words("seen_interleaved", few=few_words, rounds=words.span(min(rounds), max(rounds)))
    if alone:
        text += words("group_separator") + words("seen_alone", cells=words.listed(alone))
    return not few and not alone, text


def _together(evidence: Evidence) -> list[set[str]]:
    """Cells that took part in the same rounds, by device."""
    return [set(device.cells) for device in evidence.devices.values() if device.cells]


def _alone(evidence: Evidence, together: Iterable[set[str]]) -> list[str]:
    timed = [cell for cell in evidence.cells if cell.metrics.timed_batches]
    names = {cell.key for cell in timed}
    wanted = {cell.key: {cell.key, f"{REFERENCE_PRECISION}/{cell.backend}"} & names for cell in timed}
    return [name for name, group in wanted.items() if not any(group <= cells for cells in together)]


def settled(evidence: Evidence, words: Words) -> Seen:
    """Held where no batch was stopped by the time budget."""
    reasons = [timing.stop_reason for timing in evidence.timings]
    if not any(reasons):
        return NOTHING
    counts = {name: reasons.count(name) for name in REASONS}
    ended = {name: out_of(count, len(reasons), words) for name, count in counts.items()}
    return "budget" not in reasons, words("seen_settled", width=width_words(evidence, words), **ended)


def warmed_up(evidence: Evidence, words: Words) -> Seen:
    """Held where the warm-up asked for and the seconds timed are at least what MEASURING asks for."""
    milliseconds, runs = evidence.metrics.method.warmup_ms, evidence.metrics.method.warmup_runs
    seconds = [timing.measured_s for timing in evidence.timings if timing.measured_s is not None]
    if milliseconds is None or runs is None or not seconds:
        return NOTHING
    span = words.span(plain(min(seconds), 2), plain(max(seconds), 2))
    enough = milliseconds >= LEAST_WARMUP_MS and runs >= LEAST_WARMUP_RUNS and min(seconds) >= LEAST_SECONDS
    return enough, words("seen_warmed_up", ms=plain(milliseconds), runs=f"{runs:g}", seconds=span)


def rebuilt(evidence: Evidence, words: Words) -> Seen:
    """Held where an engine was built several times; building once is allowed, and said."""
    builds = [cell.metrics.builds for cell in evidence.measured if cell.metrics.builds]
    if not builds:
        return NOTHING
    repeated = [one for one in builds if one.count > 1]
    if not repeated:
        return None, words("seen_built_once", count=out_of(len(builds), len(builds), words))
    medians = [timing.build_p50_ms for timing in evidence.timings if timing.build_p50_ms]
    spread = max((max(one) / min(one) - 1 for one in medians), default=0.0)
    differing = sum(1 for one in repeated if one.different > 1)
    pairs = {"repeated": (len(repeated), len(builds)), "differing": (differing, len(repeated))}
    counts = {name: out_of(*pair, words) for name, pair in pairs.items()}
    return True, words("seen_rebuilt", **counts, spread=percent(spread))


def aa_control(evidence: Evidence, words: Words) -> Seen:
    """Held where every interval of the engine against itself holds 1."""
    twins = (device.aa_control for device in evidence.devices.values() if device.aa_control)
    all_sizes = [(size, batch) for twin in twins for size, batch in twin.batches.items()]
    seen = [(size, batch, ends) for size, batch in all_sizes if (ends := bounds_of(batch, "speedup"))]
    if not seen:
        return NOTHING
    inside = all(low <= 1 <= high for _, _, (low, high) in seen)
    parts = (
        words("seen_aa_control", batch=size, ratio=times_with_interval(batch, "speedup", words))
        for size, batch, _ in seen
    )
    return inside, words("group_separator").join(parts)


def enough_runs(evidence: Evidence, words: Words) -> Seen:
    """Held where no percentile is stated from fewer runs than it needs."""
    timings = evidence.timings
    if not timings:
        return NOTHING
    runs = [timing.runs for timing in timings]
    stated = [
        (getattr(timing, f"{clock}_{name}_ms") is not None, supported(share, timing.runs))
        for timing in timings
        for clock in CLOCKS
        for name, share in PERCENTILES.items()
    ]
    withheld = sum(1 for given, _ in stated if not given)
    unfounded = sum(1 for given, enough in stated if given and not enough)
    counts = {"withheld": withheld or words("none"), "unfounded": unfounded or words("none")}
    return not unfounded, words("seen_runs", runs=words.span(f"{min(runs):,}", f"{max(runs):,}"), **counts)


def cuda_graphs(evidence: Evidence, words: Words) -> Seen:
    """Held where every batch whose backend can capture a CUDA graph was timed with one."""
    told = [info for timing in evidence.timings if (info := timing.binding_info).cuda_graph is not None]
    if not told:
        return NOTHING
    missing = [info for info in told if not info.cuda_graph]
    text = words("seen_cuda_graphs", captured=out_of(len(told) - len(missing), len(told), words))
    reasons = dict.fromkeys(info.no_cuda_graph_reason or message("unknown") for info in missing)
    if reasons:
        text = words("labelled", name=text, text=words.listed(reasons))
    return not missing, text
