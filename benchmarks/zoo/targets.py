"""What the zoo asks of its result: each target in words, and whether it was met; what was not measured is missed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf
from statistics import geometric_mean, median
from typing import Any

from benchmarks.zoo.comparing import Comparison, Row, agreement, comparisons
from benchmarks.zoo.row import OURS, RIVAL

Result = dict[str, Any]
LITERT = "int8/litert"
BATCH, LARGE_BATCH = "1", "32"
LEAST_SPEED, MEDIAN_SPEEDUP, LITERT_GAP, LITERT_MISSES = 0.95, 1.3, 0.005, 3
MEAN_ERROR, WORST_ERROR = 1.05, 1.3
FEWEST = 24
DEFAULT = "mse"


def targets(result: Result) -> dict[str, bool]:
    """Each target in words, and whether it was met."""
    rows, met = result["rows"], dict(_measured(result))
    found = comparisons(rows)
    for row in rows:
        if row["draw"] == 0 and "cells" in row:
            met |= dict(_of_layers(row)) | dict(_of_speed(row))
    met |= dict(_beside_quantize_static(found))
    return met | dict(_of_agreement(rows, found)) | dict(_of_calibrators(rows))


def calibrator_ratios(rows: list[Row]) -> dict[str, float]:
    """The default's error over the best method's, by network and kind of images."""
    return {
        f"{row['network']}, {kind}": errors[DEFAULT] / max(min(errors.values()), 1e-12)
        for row in rows
        for kind, errors in (row.get("calibrators") or {}).items()
    }


def litert_gaps(rows: list[Row]) -> dict[str, float]:
    """How far LiteRT's agreement lies below that of our row of ONNX Runtime, where both were measured."""
    gaps = {}
    for name in dict.fromkeys(row["network"] for row in rows):
        ours, litert = (agreement(rows, name, cell) for cell in (OURS, LITERT))
        if ours is not None and litert is not None:
            gaps[name] = ours - litert
    return gaps


def _measured(result: Result) -> Iterator[tuple[str, bool]]:
    rows = result["rows"]
    networks = {row["network"] for row in rows}
    failed = sorted({f"{row['network']} ({row['failed'][:200]})" for row in rows if "failed" in row})
    planned = len(result["planned"]) * result["draws"]
    yield f"{len(networks)} networks were tried, at least {FEWEST}", len(networks) >= FEWEST
    done = sum("cells" in row for row in rows)
    yield f"{done} of {planned} rows were measured (failed: {'; '.join(failed) or 'none'})", done == planned
    absent = sorted({f"{name}: {why}" for row in rows for name, why in row.get("refused", {}).items() if _absent(why)})
    yield f"every peer is installed (not: {', '.join(absent) or 'none'})", not absent


def _absent(why: str) -> bool:
    return why.endswith("is not installed")


def _of_layers(row: Row) -> Iterator[tuple[str, bool]]:
    mine, theirs = (row["cells"].get(cell, {}).get("inner_in_8_bits") for cell in (OURS, RIVAL))
    if theirs is not None:
        words = f"{row['network']}: {mine} layers in 8 bits, quantize_static's {theirs}, the last one left aside"
        yield words, mine is not None and mine >= theirs


def _of_speed(row: Row) -> Iterator[tuple[str, bool]]:
    name, ours, speed = row["network"], row["cells"].get(OURS, {}), row["speed"]
    for size, (ratio, _, high) in speed["over_quantize_static"].items():
        words = f"{name}: {ratio:.2f} (up to {high:.2f}) of quantize_static's speed at batch {size}"
        yield f"{words}, at least {LEAST_SPEED}", high >= LEAST_SPEED
    told = None not in (ours.get("in_8_bits"), ours.get("conversions"))
    for size, (ratio, _, high) in speed["over_fp32"].get(OURS, {}).items():
        words = f"{name}: INT8 has {ratio:.2f} times FP32's speed at batch {size}, or its row gives the counts"
        yield words, high >= 1 or told


def _beside_quantize_static(found: Sequence[Comparison]) -> Iterator[tuple[str, bool]]:
    for each in found:
        if f"{each.peer}/{each.backend}" == RIVAL:
            words = f"{100 * each.difference:.2f} points (up to {100 * each.high:.2f})"
            yield f"{each.network}: agreement is not below quantize_static's: {words}", each.high >= 0


def _of_agreement(rows: list[Row], found: Sequence[Comparison]) -> Iterator[tuple[str, bool]]:
    beyond = [f"{name} by {gap:.4f}" for name, gap in litert_gaps(rows).items() if gap > LITERT_GAP]
    words = f"LiteRT agrees within {LITERT_GAP} of ONNX Runtime but for {', '.join(beyond) or 'none'}"
    yield f"{words}, at most {LITERT_MISSES}", len(beyond) <= LITERT_MISSES
    worse = [f"{each.network} than {each.peer} on {each.backend}" for each in found if each.worse]
    yield f"no network agrees clearly less often than a peer's (but {', '.join(worse) or 'none'})", not worse
    timed = [row["speed"]["over_fp32"].get(OURS, {}) for row in rows if row.get("speed")]
    middle, at_large = (_median_speedup(timed, batch) for batch in (BATCH, LARGE_BATCH))
    words = f"INT8 on ONNX Runtime has {middle:.2f} times FP32's speed in the median at batch {BATCH}"
    yield f"{words} ({at_large:.2f} at {LARGE_BATCH}), at least {MEDIAN_SPEEDUP}", middle >= MEDIAN_SPEEDUP


def _median_speedup(timed: list[dict[str, list[float]]], batch: str) -> float:
    speeds = [ratios[batch][0] for ratios in timed if batch in ratios]
    return median(speeds) if speeds else 0.0


def _of_calibrators(rows: list[Row]) -> Iterator[tuple[str, bool]]:
    ratios = calibrator_ratios(rows) or {"nothing": inf}
    mean = geometric_mean(ratios.values())
    where, worst = max(ratios.items(), key=lambda each: each[1])
    yield f"{DEFAULT}'s error is {mean:.3f} times the best method's, at most {MEAN_ERROR}", mean <= MEAN_ERROR
    yield f"{DEFAULT}'s error is {worst:.2f} times it at worst ({where}), at most {WORST_ERROR}", worst <= WORST_ERROR
