"""The verdict: does each cell keep the accuracy asked for within the budgets, and which one is for what use?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from roundoff.errors import DataError
from roundoff.measurement.accuracy import beats_chance, least_accuracy
from roundoff.measurement.statistics import Interval, paired_drop, paired_kept, samples_to_decide
from roundoff.system.files import read_json
from roundoff.verdict.budgets import budget_checks
from roundoff.verdict.criterion import Check, Outcome
from roundoff.verdict.ranking import (
    SpeedDifference,
    front,
    noise_floor,
    ranked,
    recommendations,
    rounded_up,
    speed_difference,
)
from roundoff.verdict.requirements import Target

__all__ = ["Metrics", "Target", "decide", "judge", "metrics_from", "read_metrics"]

Cells = dict[str, dict[str, Any]]
HEAD = ("platform", "reference", "method")
FILES = ("fp32", "fp16", "int8", "more")
MOST_SAMPLES = 10**8


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
    noise = {name: noise_floor(metrics.method, target.batch_size, target.speed_margin, name) for name in metrics.cells}
    every = ranked(metrics.cells, metrics.reference, target.batch_size, noise)
    verdicts = {name: judge(name, cell, metrics, target) for name, cell in metrics.cells.items()}
    return {
        "platform": metrics.platform.get("id"),
        "reference": metrics.reference,
        "target": asdict(target),
        "target_words": target.words(),
        "cells": verdicts,
        "speed_margin": max((cell.noise for cell in every), default=target.speed_margin),
        "front": front(every),
        "recommendations": recommendations(every, metrics.cells, verdicts, metrics.reference, target.batch_size),
    }


def judge(name: str, cell: Mapping[str, Any], metrics: Metrics, target: Target) -> dict[str, Any]:
    """One cell's `verdict`, `reasons` in words, `checks`, `speed`, `speed_margin`.

    `verdict` is `fail` for a cell that failed: what does not work cannot be shipped. None where it cannot run here.
    `speed` by batch size: faster or slower than its backend's FP32, device only, by more than the `speed_margin`.
    """
    if cell["status"] != "measured":
        verdict = "fail" if cell["status"] == "failed" else None
        return {"verdict": verdict, "reasons": [str(cell["reason"])], "checks": [], "speed": {}, "speed_margin": {}}
    checks = [*_accuracy_checks(name, cell, metrics, target), *budget_checks(cell, target)]
    outcomes = [check.verdict for check in checks]
    verdict = next((worst for worst in ("fail", "undecided") if worst in outcomes), "pass")
    noise = _noise(name, cell, metrics, target.speed_margin)
    return {
        "verdict": verdict,
        "reasons": [check.reason for check in checks],
        "checks": [asdict(check) for check in checks],
        "speed": {key: _speed(cell[key], floor) for key, floor in noise.items()},
        "speed_margin": noise,
    }


def _noise(name: str, cell: Mapping[str, Any], metrics: Metrics, margin: float) -> dict[str, float]:
    """By batch size: the share below which the cell's device tells no speeds apart."""
    keys = [key for key in cell if key.startswith("batch_")]
    return {key: noise_floor(metrics.method, int(key.removeprefix("batch_")), margin, name) for key in keys}


def _speed(batch: Mapping[str, Any], margin: float) -> SpeedDifference | None:
    return speed_difference(batch["speedup_low"], batch["speedup_high"], margin)


def _accuracy_checks(name: str, cell: Mapping[str, Any], metrics: Metrics, target: Target) -> list[Check]:
    found = cell["accuracy"]
    above = _chance_checks(found, metrics.method["chance"], metrics.method["evaluate"]["chance_margin"])
    if any(check.verdict == "fail" for check in above):
        return above
    return above + _kept_checks(name, found, metrics, target)


def _chance_checks(found: Mapping[str, Any], chance: float, margin: float) -> list[Check]:
    """None where the accuracy is clearly above chance; it fails where its whole interval is not."""
    if beats_chance(found["top1_low"], chance, margin):
        return []
    least = least_accuracy(chance, margin)
    verdict: Outcome = "fail" if found["top1_high"] <= least else "undecided"
    reason = f"top-1 {found['top1']:.2%} is not clearly above chance ({chance:.2%}): it has to lie above {least:.2%}"
    return [Check("chance", verdict, found["top1"], found["top1_low"], found["top1_high"], least, reason)]


def _kept_checks(name: str, found: Mapping[str, Any], metrics: Metrics, target: Target) -> list[Check]:
    if name == metrics.reference:
        reason = "the reference that others are compared with"
        return [Check("accuracy", "pass", 1.0, 1.0, 1.0, 1.0, reason, bounds="exact")]
    if found["drop"] is None:
        reason = "there is no FP32 reference to compare the accuracy with"
        return [Check("accuracy", "undecided", None, None, None, target.keep or 0.0, reason, bounds=None)]
    checks = []
    if target.keep is not None and found["kept"] is None:
        reason = "the reference is never right, so there is no accuracy to keep"
        checks.append(Check("accuracy", "undecided", None, None, None, target.keep, reason, bounds=None))
    elif target.keep is not None:
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
    reason = f"{words}; target {100 * keep:.6g}%{_how_many(verdict, needed, samples)}"
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
    return f": about {rounded_up(needed):,} test images would decide (there are {samples:,})"
