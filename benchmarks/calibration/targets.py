"""What benchmarks/calibration/peers.py asks of its result, and the tables that the documentation shows of it."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from benchmarks.calibration.measures import ENTROPY, LARGE, PEER, RUNTIMES
from benchmarks.calibration.recipes import FLOOR, RECIPES

Result = dict[str, Any]


def targets(result: Result) -> dict[str, bool]:
    """Each target of the parts asked for, in words, and whether it was met; one that was not measured is not."""
    met: dict[str, bool] = {}
    parts = result.get("parts", ("accuracy", "cost"))  # earlier results were always asked for both
    if "accuracy" in parts:
        for name in result["models"]:
            for runtime in RUNTIMES:
                met |= _accuracy_targets(result, name, runtime)
    return met | (_cost_targets(result.get("cost", {})) if "cost" in parts else {})


def agreements(result: Result, model: str, runtime: str) -> dict[str, float]:
    """Mean agreement with FP32 by recipe, in the order of RECIPES, over the calibration seeds that all of them have."""
    seeds = _seeds(result, model, runtime)
    found = {recipe: [row for row in _rows(result, model, runtime) if row["recipe"] == recipe] for recipe in RECIPES}
    return {
        recipe: fmean(row["agreement"] for row in rows if row["seed"] in seeds)
        for recipe, rows in found.items()
        if rows
    }


def tables(result: Result) -> str:
    """Markdown: agreement by recipe and model, the default's loss of top-1, and cost: what was measured of them."""
    accuracy = [_agreement_table(result), _drop_table(result)] if "accuracy" in result else []
    cost = [_cost_table(result)] if "cost" in result else []
    return "\n\n".join([*accuracy, *cost])


def _accuracy_targets(result: Result, model: str, runtime: str) -> dict[str, bool]:
    means, where = agreements(result, model, runtime), f"{model} on {runtime}"
    ours = means.get(result["default"], 0.0)
    worst = _worst_drop(result, model, runtime)
    peers = {recipe: mean for recipe, mean in means.items() if not recipe.startswith("roundoff")}
    best = max(peers, key=lambda recipe: peers[recipe], default="any peer")
    rows, planned = len(_rows(result, model, runtime)), result["seeds"] * len(result["recipes"][model])
    return {
        f"{where}: {rows} of {planned} measurements were made": rows == planned,
        f"{where}: agreement {ours:.4f} is at least 0.97": ours >= 0.97,
        f"{where}: drop of top-1 with its interval, {100 * worst:.2f} points, is at most 0.5": worst <= 0.005,
        f"{where}: {ours:.4f} is not below {best} ({peers.get(best, 1.0):.4f})": bool(peers) and ours >= peers[best],
    }


def _worst_drop(result: Result, model: str, runtime: str) -> float:
    rows = _rows(result, model, runtime)
    return max((row["drop_high"] for row in rows if row["recipe"] == result["default"]), default=1.0)


def _rows(result: Result, model: str, runtime: str) -> list[dict[str, Any]]:
    return [row for row in result.get("accuracy", []) if (row["model"], row["runtime"]) == (model, runtime)]


def _seeds(result: Result, model: str, runtime: str) -> set[int]:
    by_recipe: dict[str, set[int]] = {}
    for row in _rows(result, model, runtime):
        by_recipe.setdefault(row["recipe"], set()).add(row["seed"])
    return set.intersection(*by_recipe.values()) if by_recipe else set()


def _cost_targets(cost: dict[str, Any]) -> dict[str, bool]:
    def of(name: str, key: str, count: int = LARGE) -> float:
        return float(cost.get("medians", {}).get(f"{name}, {count} images", {}).get(key, float("nan")))

    over = {name: float(ratio) for name, ratio in cost.get("seconds_over", {}).items()}
    ratio, faster = 1 / over.get(FLOOR, float("nan")), over.get(PEER, float("nan"))
    extra = of(ENTROPY, "peak_mb") - of(FLOOR, "peak_mb")
    growth = of(ENTROPY, "peak_mb", 16_384) - of(ENTROPY, "peak_mb", 320)
    smaller = (of(PEER, "peak_mb") - of(FLOOR, "peak_mb")) / max(extra, 1.0)
    return {
        f"entropy takes {ratio:.2f} times a forward pass, at most 2.5": ratio <= 2.5,
        f"entropy takes {extra:.0f} MB above a forward pass, at most 60": extra <= 60,
        f"memory grows by {growth:.0f} MB from 320 to 16,384 images, at most 10": growth <= 10,
        f"{faster:.1f} times faster than ONNX Runtime's entropy, at least 6": faster >= 6,
        f"{smaller:.0f} times smaller than ONNX Runtime's entropy, at least 40": smaller >= 40,
    }


def _agreement_table(result: Result) -> str:
    places = [(model, runtime) for model in result["models"] for runtime in RUNTIMES]
    columns = [agreements(result, *place) for place in places]
    lines = [
        _line("recipe", *(_heading(result, *place) for place in places)),
        _line("---", *("---:" for _ in places)),
    ]
    for recipe in RECIPES:
        if any(recipe in column for column in columns):
            shown = f"**{recipe}** (default)" if recipe == result["default"] else recipe
            lines.append(_line(shown, *(f"{c[recipe]:.4f}" if recipe in c else "–" for c in columns)))
    return "\n".join(lines)


def _heading(result: Result, model: str, runtime: str) -> str:
    seeds = len(_seeds(result, model, runtime))
    return f"{model}, {runtime}" + (f" ({seeds} of {result['seeds']} seeds)" if seeds < result["seeds"] else "")


def _drop_table(result: Result) -> str:
    lines = [
        _line("the default's loss of top-1, points", "mean", "worst upper bound (95 %)"),
        _line("---", "---:", "---:"),
    ]
    for model in result["models"]:
        for runtime in RUNTIMES:
            rows = [row for row in _rows(result, model, runtime) if row["recipe"] == result["default"]]
            if rows:
                worst = 100 * _worst_drop(result, model, runtime)
                mean = 100 * fmean(row["drop"] for row in rows)
                lines.append(_line(f"{model}, {runtime}", f"{mean:.2f}", f"{worst:.2f}"))
    return "\n".join(lines)


def _cost_table(result: Result) -> str:
    medians = result["cost"]["medians"]
    floor = medians[f"{FLOOR}, {LARGE} images"]["peak_mb"]
    heading = _line(f"cost on {result['models'][0]}", "s", f"times {ENTROPY}", "MB above a forward pass")
    lines = [heading, _line("---", "---:", "---:", "---:")]
    over = {f"{name}, {LARGE} images": ratio for name, ratio in result["cost"]["seconds_over"].items()}
    for name, cost in medians.items():
        ratio = f"{over[name]:.1f}" if name in over else "–"
        lines.append(_line(name, f"{cost['seconds']:.1f}", ratio, f"{cost['peak_mb'] - floor:.0f}"))
    return "\n".join(lines)


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
