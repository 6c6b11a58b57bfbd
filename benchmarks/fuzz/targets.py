"""What the random networks are to show, and the table that the documentation has of them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from benchmarks.fuzz.cells import DEFAULT, GRIDS, METHODS, PRECISIONS

Result = dict[str, Any]
MOST_RATIO = 2.0
SMALLEST = 1e-6
"""An error below it is float32's own."""
STEPS = ("export", *(f"calibrate {name}" for name in METHODS))


def targets(result: Result) -> dict[str, bool]:
    """Each target in words, and whether it was met."""
    rows = result["rows"]
    broken = [f"{row['seed']}: {step}" for row in rows for step, kind in _kinds(row).items() if kind == "crash"]
    wrong = [f"{row['seed']}: {step}" for row in rows for step, kind in _kinds(row).items() if kind == "wrong"]
    far = {grid: _far(rows, grid) for grid in GRIDS}
    return {
        f"{result['planned']} networks (are: {len(rows)})": len(rows) >= result["planned"],
        f"no crash (in: {'; '.join(broken[:20]) or 'none'})": not broken,
        f"none gives infinities or NaN where FP32 does not (in: {'; '.join(wrong[:20]) or 'none'})": not wrong,
        **{
            f"INT8 on {grid}'s grid within {MOST_RATIO:g} times the best calibrator's error "
            f"(not: {', '.join(map(str, seeds)) or 'none'})": not seeds
            for grid, seeds in far.items()
        },
    }


def ratio(row: Result, grid: str, kind: str = "errors") -> float | None:
    """The default's error over the best method's on that network and grid.

    With the kind "varying" it is the error without the shift that all images share. None where there is none, or where
    even the best method errs more than the logits of different images differ: such a network's answers are lost in 8
    bits, whatever is chosen.
    """
    errors = {method: error for method, error in row.get(kind, {}).get(grid, {}).items() if np.isfinite(error)}
    if DEFAULT not in row.get(kind, {}).get(grid, {}) or is_lost(row, grid):
        return None
    if DEFAULT not in errors:
        return float("inf")
    return float(max(errors[DEFAULT], SMALLEST) / max(min(errors.values()), SMALLEST))


def is_lost(row: Result, grid: str) -> bool:
    """Whether INT8 by any method errs more than the logits of different images differ."""
    errors = row["errors"].get(grid, {}).values()
    return bool(errors) and min(errors) >= row["spread"]


def table(result: Result) -> str:
    """Markdown: outcomes by step and cell, then how near the default calibrator is to the best."""
    rows = result["rows"]
    lines = [
        "| step or cell | done | refused in words | crash | wrong | median error |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    lines += [_line(step, rows) for step in (*STEPS, *_cells())]
    near: tuple[str, ...] = ("grid", "networks", "median ratio", "95th percentile", "worst", "beyond 2")
    near += ("worst without the shift", "lost by every method")
    lines += ["", f"| {' | '.join(near)} |", f"|---|{'---:|' * (len(near) - 1)}"]
    return "\n".join([*lines, *(_near(grid, rows) for grid in GRIDS)])


def _cells() -> list[str]:
    return [f"{precision} {grid}" for precision in PRECISIONS for grid in GRIDS]


def _kinds(row: Result) -> dict[str, str]:
    return {step: outcome.partition(":")[0] for step, outcome in row["outcomes"].items()}


def _far(rows: list[Result], grid: str) -> list[int]:
    return [row["seed"] for row in rows if (ratio(row, grid) or 0.0) > MOST_RATIO]


def _line(step: str, rows: list[Result]) -> str:
    counted = Counter(_kinds(row).get(step) for row in rows)
    errors = [row["errors"].get("cells", {}).get(step) for row in rows]
    found = [error for error in errors if error is not None]
    median = f"{np.median(found):.1e}" if found else ""
    numbers = (counted[kind] for kind in ("done", "refused", "crash", "wrong"))
    return f"| {step} | {' | '.join(map(str, numbers))} | {median} |"


def _near(grid: str, rows: list[Result]) -> str:
    ratios = np.array([found for row in rows if (found := ratio(row, grid)) is not None] or [np.nan])
    shown = (np.median(ratios), np.percentile(ratios, 95), ratios.max())
    beyond = int((ratios > MOST_RATIO).sum())
    lost = sum(is_lost(row, grid) for row in rows)
    varying = max((found for row in rows if (found := ratio(row, grid, "varying")) is not None), default=np.nan)
    figures = " | ".join(f"{value:.2f}" for value in shown)
    return f"| {grid} | {len(ratios)} | {figures} | {beyond} | {varying:.2f} | {lost} |"
