"""The verdict: does each cell keep the accuracy asked for within the budgets, and which one is for what use?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from roundoff.artifact import read_json
from roundoff.errors import ConfigError, DataError
from roundoff.measurement.accuracy import beats_chance
from roundoff.measurement.latency import PERCENTILES
from roundoff.measurement.statistics import (
    Interval,
    paired_drop,
    paired_kept,
    samples_for_percentile,
    samples_to_decide,
)
from roundoff.ranking import SpeedDifference, front, noise_floor, recommendations, speed_difference

Outcome = Literal["pass", "fail", "undecided"]
Cells = dict[str, dict[str, Any]]
HEAD = ("platform", "reference", "method")
FILES = ("fp32", "fp16", "int8", "more")
MOST_SAMPLES = 10**8


@dataclass(frozen=True)
class Target:
    """What a cell must hold to be shipped; None means that it does not matter.

    `keep` is the share of the reference's accuracy to keep, `points` the most percentage points of accuracy to lose.
    Budgets: end-to-end `latency_ms` at `latency_percentile`, and `throughput_per_s` (images), both at `batch_size`;
    `size_mb` and `memory_mb` (10^6 bytes); `mj_per_image`. Latency end to end at `batch_size` also ranks the cells;
    differences of a share below `speed_margin` are not called differences.
    """

    keep: float | None = 0.99
    points: float | None = None
    batch_size: int = 1
    latency_ms: float | None = None
    latency_percentile: str = "p50"
    throughput_per_s: float | None = None
    size_mb: float | None = None
    memory_mb: float | None = None
    mj_per_image: float | None = None
    speed_margin: float = 0.01

    def __post_init__(self) -> None:
        one = self.keep is not None or self.points is not None
        _require(one, "keep", None, "a value for keep or for points: a verdict needs a target for accuracy")
        _require(self.keep is None or 0 < self.keep <= 1, "keep", self.keep, "a share above 0, at most 1")
        _require(self.points is None or 0 <= self.points < 100, "points", self.points, "percentage points, 0 or more")
        _require(self.batch_size >= 1, "batch_size", self.batch_size, "at least 1")
        known = self.latency_percentile in PERCENTILES
        _require(known, "latency_percentile", self.latency_percentile, f"one of {', '.join(PERCENTILES)}")
        for name in ("latency_ms", "throughput_per_s", "size_mb", "memory_mb", "mj_per_image"):
            value = getattr(self, name)
            _require(value is None or 0 < value < float("inf"), name, value, "a number above 0, or null")
        _require(0 <= self.speed_margin < 1, "speed_margin", self.speed_margin, "a share from 0 to below 1")

    def words(self) -> str:
        """The target in one line."""
        parts = [
            (self.keep, f"keep {self.keep:.1%} of the reference's accuracy" if self.keep else ""),
            (self.points, f"lose at most {self.points} points of accuracy"),
            (
                self.latency_ms,
                f"{self.latency_percentile} at most {self.latency_ms} ms at batch size {self.batch_size}",
            ),
            (self.throughput_per_s, f"at least {self.throughput_per_s} images/s at batch size {self.batch_size}"),
            (self.size_mb, f"at most {self.size_mb} MB"),
            (self.memory_mb, f"at most {self.memory_mb} MB of device memory"),
            (self.mj_per_image, f"at most {self.mj_per_image} mJ per image"),
        ]
        return ", ".join(text for value, text in parts if value is not None)


@dataclass(frozen=True)
class Check:
    """One question on a cell: what was found (with its interval, if there is one), the limit, the answer, in words."""

    name: str
    verdict: Outcome
    found: float | None
    low: float | None
    high: float | None
    limit: float
    reason: str
    samples_needed: int | None = None


@dataclass(frozen=True)
class Metrics:
    """The metrics files of one run: cells by name ("int8/onnxruntime"), and what the files share."""

    cells: Cells
    platform: dict[str, Any]
    reference: str | None
    method: dict[str, Any]


def read_metrics(directory: Path) -> Metrics:
    """Read what `evaluate` wrote; raises DataError where files are missing or come from different runs."""
    missing = [name for name in FILES if not (directory / f"{name}.json").exists()]
    if missing:
        raise DataError(
            "metrics are missing",
            received=f"no {missing[0]}.json in {directory}",
            expected=", ".join(f"{name}.json" for name in FILES),
            fix="run the evaluate stage",
        )
    return metrics_from({name: read_json(directory / f"{name}.json") for name in FILES})


def metrics_from(files: Mapping[str, Mapping[str, Any]]) -> Metrics:
    """Metrics from the content of files by their names without ending ("fp32", …, "more")."""
    heads: dict[str, dict[str, Any]] = {name: {key: file.get(key) for key in HEAD} for name, file in files.items()}
    first = next(iter(heads.values()))
    for name, head in heads.items():
        if head != first:
            raise DataError(
                "the metrics files come from different runs",
                received=f"{name}.json differs from {next(iter(heads))}.json in what all should share",
                expected=f"the same {', '.join(HEAD)} in all",
                fix="run the evaluate stage again",
            )
    cells: Cells = {}
    for name, content in files.items():
        body = {key: value for key, value in content.items() if key not in HEAD}
        for precision, backends in ({name: body} if name != "more" else body).items():
            cells |= {f"{precision}/{backend}": cell for backend, cell in backends.items()}
    return Metrics(cells, dict(first["platform"]), first["reference"], dict(first["method"]))


def decide(metrics: Metrics, target: Target) -> dict[str, Any]:
    """The content of verdict.json: a verdict for each cell with its reasons, the front, and three recommendations."""
    margin = noise_floor(metrics.method, target.batch_size, target.speed_margin)
    verdicts = {name: judge(name, cell, metrics, target) for name, cell in metrics.cells.items()}
    return {
        "platform": metrics.platform.get("id"),
        "reference": metrics.reference,
        "target": asdict(target),
        "target_words": target.words(),
        "cells": verdicts,
        "speed_margin": margin,
        "front": front(metrics.cells, target.batch_size, margin),
        "recommendations": recommendations(metrics.cells, verdicts, metrics.reference, target.batch_size, margin),
    }


def judge(name: str, cell: Mapping[str, Any], metrics: Metrics, target: Target) -> dict[str, Any]:
    """One cell's `verdict` (None where it was not measured), `reasons` in words, `checks`, `speed`."""
    if cell["status"] != "measured":
        return {"verdict": None, "reasons": [str(cell["reason"])], "checks": [], "speed": {}}
    checks = [*_accuracy_checks(name, cell, metrics, target), *_budget_checks(cell, target)]
    outcomes = [check.verdict for check in checks]
    verdict = next((worst for worst in ("fail", "undecided") if worst in outcomes), "pass")
    return {
        "verdict": verdict,
        "reasons": [check.reason for check in checks],
        "checks": [asdict(check) for check in checks],
        "speed": _speed(cell, metrics, target.speed_margin),
    }


def _speed(cell: Mapping[str, Any], metrics: Metrics, margin: float) -> dict[str, SpeedDifference | None]:
    """By batch size: is the cell faster or slower than its backend's FP32, device only?"""
    found = {}
    for key in (key for key in cell if key.startswith("batch_")):
        floor = noise_floor(metrics.method, int(key.removeprefix("batch_")), margin)
        found[key] = speed_difference(cell[key]["speedup_low"], cell[key]["speedup_high"], floor)
    return found


def _accuracy_checks(name: str, cell: Mapping[str, Any], metrics: Metrics, target: Target) -> list[Check]:
    found = cell["accuracy"]
    chance, margin = metrics.method["chance"], metrics.method["evaluate"]["chance_margin"]
    if not beats_chance(found["top1_low"], chance, margin):
        reason = f"top-1 {found['top1']:.2%} is no better than chance ({chance:.2%})"
        return [Check("chance", "fail", found["top1"], found["top1_low"], found["top1_high"], chance, reason)]
    if name == metrics.reference:
        return [Check("accuracy", "pass", 1.0, 1.0, 1.0, 1.0, "the reference that others are compared with")]
    if found["drop"] is None:
        reason = "there is no FP32 reference to compare the accuracy with"
        return [Check("accuracy", "undecided", None, None, None, target.keep or 0.0, reason)]
    checks = []
    if target.keep is not None and found["kept"] is not None:
        checks.append(_keep_check(found, target.keep))
    if target.points is not None:
        checks.append(_points_check(found, target.points))
    return checks


def _keep_check(found: Mapping[str, Any], keep: float) -> Check:
    lost, gained, samples = found["lost"], found["gained"], found["samples"]
    both = found["correct"] - gained
    interval = Interval(found["kept"], found["kept_low"], found["kept_high"])
    words = f"keeps {interval.value:.2%} of the reference's accuracy (95 %: {interval.low:.2%} to {interval.high:.2%})"

    def at(scale: float, z: float) -> Interval | None:
        return paired_kept(both * scale, lost * scale, gained * scale, samples * scale, z)

    verdict: Outcome = "pass" if interval.low >= keep else "fail" if interval.high < keep else "undecided"
    needed = samples_to_decide(at, keep, samples, MOST_SAMPLES) if verdict == "undecided" else None
    reason = f"{words}; target {keep:.2%}{_how_many(verdict, needed, samples)}"
    return Check("keep", verdict, interval.value, interval.low, interval.high, keep, reason, needed)


def _points_check(found: Mapping[str, Any], points: float) -> Check:
    lost, gained, samples = found["lost"], found["gained"], found["samples"]
    drop = Interval(*(100 * found[key] for key in ("drop", "drop_low", "drop_high")))

    def at(scale: float, z: float) -> Interval:
        return paired_drop(lost * scale, gained * scale, samples * scale, z)

    verdict: Outcome = "pass" if drop.high <= points else "fail" if drop.low > points else "undecided"
    needed = samples_to_decide(at, points / 100, samples, MOST_SAMPLES) if verdict == "undecided" else None
    words = f"loses {drop.value:.2f} points of accuracy (95 %: {drop.low:.2f} to {drop.high:.2f})"
    reason = f"{words}; target at most {points}{_how_many(verdict, needed, samples)}"
    return Check("points", verdict, drop.value, drop.low, drop.high, points, reason, needed)


def _how_many(verdict: Outcome, needed: int | None, samples: int) -> str:
    if verdict != "undecided":
        return ""
    if needed is None:
        return f": too close to it for any number of test images to decide (there are {samples})"
    return f": about {_rounded(needed):,} test images would decide (there are {samples:,})"


def _rounded(count: int) -> int:
    """Two significant digits, upwards: the number is an estimate and should look like one."""
    unit: int = 10 ** max(0, len(str(count)) - 2)
    return -(-count // unit) * unit


def _budget_checks(cell: Mapping[str, Any], target: Target) -> list[Check]:
    batch = cell.get(f"batch_{target.batch_size}") or {}
    percentile = target.latency_percentile
    latency = f"end_to_end_{percentile}_ms"
    at = f"at batch size {target.batch_size}"
    unmeasured = batch.get("reason") or f"batch size {target.batch_size} was not measured"
    if batch.get("runs"):
        needed = samples_for_percentile(PERCENTILES[percentile])
        unmeasured = f"{percentile} needs {needed} runs, {batch['runs']} were measured"
    bounds = (batch.get("end_to_end_p50_low_ms"), batch.get("end_to_end_p50_high_ms")) if percentile == "p50" else ()
    energy = cell.get("energy") or {}
    rate = (batch.get("throughput_low_per_s"), batch.get("throughput_high_per_s"))
    checks = [
        _budget("latency", f"{percentile} {at}", "ms", batch.get(latency), target.latency_ms, unmeasured, bounds),
        _budget("throughput", at, "images/s", batch.get("throughput_per_s"), target.throughput_per_s, unmeasured, rate),
        _budget("size", "artifact", "MB", cell["size_mb"], target.size_mb, "the size is unknown"),
        _budget("memory", "device", "MB", cell.get("memory_mb"), target.memory_mb, "the runtime does not tell"),
        _budget("energy", "per image", "mJ", energy.get("mj_per_image"), target.mj_per_image, energy.get("reason")),
    ]
    return [check for check in checks if check is not None]


def _budget(
    name: str, what: str, unit: str, found: float | None, limit: float | None, missing: str | None, bounds: Any = ()
) -> Check | None:
    """A check of `found` (or of its interval `bounds`) against `limit`: a least for throughput, else a most."""
    if limit is None:
        return None
    least = name == "throughput"
    side = "at least" if least else "at most"
    if found is None:
        reason = f"{name} ({what}) is not known: {missing}; target {side} {limit:.6g} {unit}"
        return Check(name, "undecided", None, None, None, limit, reason)
    low, high = bounds if bounds and None not in bounds else (found, found)
    holds = low >= limit if least else high <= limit
    breaks = high < limit if least else low > limit
    verdict: Outcome = "pass" if holds else "fail" if breaks else "undecided"
    span = f" (95 %: {low:.4g} to {high:.4g})" if bounds else ""
    reason = f"{name} ({what}) {found:.4g} {unit}{span}; target {side} {limit:.6g} {unit}"
    return Check(name, verdict, found, low, high, limit, reason)


def _require(holds: bool, name: str, received: object, expected: str) -> None:
    if not holds:
        raise ConfigError(f"bad {name}", received=received, expected=expected, fix=f"correct verdict.{name}")
