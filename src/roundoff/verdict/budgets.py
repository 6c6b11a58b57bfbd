"""Budgets of a cell: latency, throughput, size, memory and energy, each judged by what bounds its figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from roundoff.measurement.latency import PERCENTILES
from roundoff.measurement.statistics import samples_for_percentile
from roundoff.verdict.criterion import Bounds, Check, Outcome
from roundoff.verdict.requirements import Target

# Energy is read once, over seconds, from a meter that is itself off by about 5 %, and on some GPUs sees a quarter of
# the time (Yang, Adamek and Armour, SC24): what lies within this share of its limit is not sure.
ENERGY_MARGIN = 0.1


@dataclass(frozen=True)
class Found:
    """A figure with what it lies between; `low` and `high` are None where nothing bounds it, which `unsure` explains.

    `missing` says why there is no figure.
    """

    value: float | None
    low: float | None
    high: float | None
    bounds: Bounds
    missing: str
    unsure: str = ""


def budget_checks(cell: Mapping[str, Any], target: Target) -> list[Check]:
    """A check for each budget that the target sets, of one measured cell."""
    at = f"at batch size {target.batch_size}"
    memory, energy = cell.get("memory_mb"), cell.get("energy") or {}
    questions = (
        ("latency", f"{target.latency_percentile} {at}", "ms", _latency(cell, target), target.latency_ms),
        ("throughput", at, "images/s", _throughput(cell, target), target.throughput_per_s),
        ("size", "artifact", "MB", _exact(cell["size_mb"], "the size is unknown"), target.size_mb),
        # What an engine allocates depends on the engine, not on the moment: a point, as the size is.
        ("memory", "device", "MB", _exact(memory, "the runtime does not tell"), target.memory_mb),
        ("energy", "per image", "mJ", _energy(energy), target.mj_per_image),
    )
    return [_check(name, what, unit, found, limit) for name, what, unit, found, limit in questions if limit is not None]


def _latency(cell: Mapping[str, Any], target: Target) -> Found:
    batch, percentile = cell.get(f"batch_{target.batch_size}") or {}, target.latency_percentile
    missing = _missing(batch, target)
    if batch.get("runs"):
        needed = samples_for_percentile(PERCENTILES[percentile])
        missing = f"{percentile} needs {needed} runs, {batch['runs']} were measured"
    value, low, high = (batch.get(f"end_to_end_{percentile}{end}_ms") for end in ("", "_low", "_high"))
    return Found(value, low, high, "interval", missing, "no interval, which takes more loads or more alike ones")


def _throughput(cell: Mapping[str, Any], target: Target) -> Found:
    batch = cell.get(f"batch_{target.batch_size}") or {}
    value, low, high = (batch.get(f"throughput{end}_per_s") for end in ("", "_low", "_high"))
    return Found(value, low, high, "interval", _missing(batch, target), "no interval")


def _missing(batch: Mapping[str, Any], target: Target) -> str:
    return str(batch.get("reason") or f"batch size {target.batch_size} was not measured")


def _exact(value: float | None, missing: str) -> Found:
    return Found(value, value, value, "exact", missing)


def _energy(energy: Mapping[str, Any]) -> Found:
    value, missing = energy.get("mj_per_image"), str(energy.get("reason"))
    if value is None:
        return Found(None, None, None, "margin", missing)
    return Found(value, value * (1 - ENERGY_MARGIN), value * (1 + ENERGY_MARGIN), "margin", missing)


def _check(name: str, what: str, unit: str, found: Found, limit: float) -> Check:
    """A check of `found` against `limit`: a least for throughput, else a most."""
    least = name == "throughput"
    asked = f"target {'at least' if least else 'at most'} {limit:.6g} {unit}"
    if found.value is None:
        reason = f"{name} ({what}) is not known: {found.missing}; {asked}"
        return Check(name, "undecided", None, None, None, limit, reason, bounds=None)
    reason = f"{name} ({what}) {found.value:.4g} {unit}{_span(found)}; {asked}"
    verdict = _outcome(found, limit, least)
    return Check(name, verdict, found.value, found.low, found.high, limit, reason, bounds=_bounds(found))


def _outcome(found: Found, limit: float, least: bool) -> Outcome:
    if found.low is None or found.high is None:
        return "undecided"
    holds = found.low >= limit if least else found.high <= limit
    breaks = found.high < limit if least else found.low > limit
    return "pass" if holds else "fail" if breaks else "undecided"


def _bounds(found: Found) -> Bounds | None:
    return None if found.low is None or found.high is None else found.bounds


def _span(found: Found) -> str:
    if found.low is None or found.high is None:
        return f" ({found.unsure})"
    if found.bounds == "interval":
        return f" (95 %: {found.low:.4g} to {found.high:.4g})"
    return f" (± {ENERGY_MARGIN:.0%}: {found.low:.4g} to {found.high:.4g})" if found.bounds == "margin" else ""
