"""What is asked of networks at 224 × 224, and the table that the documentation shows of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.export.targets import memory_limit_mb

Result = dict[str, Any]
LIMIT_MB, ABOVE_CHANCE = 6000, 10
"""The peak, where the weights do not ask for more; times chance, below which a network's answers mean nothing."""
STAGES = (
    *("prepare", "probe", "train", "export", "calibrate"),
    *("build fp32", "build fp16", "build int8", "evaluate", "report"),
)
CELLS = ("int8/onnxruntime", "int8/litert")


def targets(result: Result) -> dict[str, bool]:
    """Each target in words, and whether it was met."""
    done = {row["network"]: row for row in result["rows"] if "failed" not in row}
    missing = [name for name in result["planned"] if name not in done]
    large = [name for name, row in done.items() if max(_peaks(row).values()) > limit_mb(row)]
    poor = [name for name, row in done.items() if row["top1"] < ABOVE_CHANCE / result["classes"]]
    return {
        f"every network went through all stages (not: {_listed(missing)})": not missing,
        f"no stage's peak is above 6 GB, or 3 times the weights and 1.5 GB (but of: {_listed(large)})": not large,
        f"every network classifies, {ABOVE_CHANCE} times above chance (not: {_listed(poor)})": not poor,
    }


def limit_mb(row: dict[str, Any]) -> float:
    """The most memory that any stage of this network may take."""
    return max(LIMIT_MB, memory_limit_mb(row))


def table(result: Result) -> str:
    """Markdown: a row for each network, and another with the seconds and the peak of each stage."""
    shown = ["ONNX (MB)", "top-1, FP32 (%)", "INT8 agrees (%)", "LiteRT", "INT8 × FP32, batch 1", "LiteRT"]
    done = [row for row in result["rows"] if "failed" not in row]
    found = [*_head("224 × 224, 1,000 classes", shown), *map(_found, result["rows"])]
    costs = [*_head("seconds, MB", STAGES), *map(_costs, done)]
    return "\n".join([*found, "", *costs])


def _head(first: str, others: Sequence[str]) -> list[str]:
    return [_line(first, *others), _line("---", *["---:"] * len(others))]


def _found(row: dict[str, Any]) -> str:
    if "failed" in row:
        return _line(row["network"], row["failed"].replace("|", "/"))
    found = [row["cells"].get(name, {}).get("agreement") for name in CELLS]
    ratios = [row["speed"]["over_fp32"].get(name, {}).get("1") for name in CELLS]
    return _line(
        row["network"],
        f"{row['weights_mb']:.1f}",
        f"{100 * row['top1']:.1f}",
        *("" if each is None else f"{100 * each:.2f}" for each in found),
        *("" if each is None else f"{each[0]:.2f} ({each[1]:.2f} to {each[2]:.2f})" for each in ratios),
    )


def _costs(row: dict[str, Any]) -> str:
    costs = [row["costs"][name] for name in STAGES]
    return _line(row["network"], *(f"{each['seconds']:.0f}, {each['peak_mb']:.0f}" for each in costs))


def _peaks(row: dict[str, Any]) -> dict[str, float]:
    return {name: cost["peak_mb"] for name, cost in row["costs"].items() if name != "the network itself"}


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "none"


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
