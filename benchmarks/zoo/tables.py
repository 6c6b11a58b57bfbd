"""The tables of docs/zoo.md."""

from __future__ import annotations

from statistics import fmean, median
from typing import Any

from benchmarks.zoo.comparing import Row, agreement, comparisons
from benchmarks.zoo.networks import LAYER_NETS
from benchmarks.zoo.row import OURS, RIVAL
from benchmarks.zoo.targets import DEFAULT, calibrator_ratios

Result = dict[str, Any]
BATCHES = ("1", "32")
PEERS = {
    "onnxruntime/given_onnxruntime": "quantize_static",
    "onnxruntime/given_modelopt_entropy": "Model Optimizer, entropy",
    "onnxruntime/given_modelopt_max": "Model Optimizer, max",
    "onnxruntime/given_nncf": "NNCF",
    "litert/given_tflite": "TFLite converter",
    "onnxruntime/given": "given",
}


def tables(result: Result) -> str:
    """Markdown: agreement, speed and layers, 16 bits, calibrators, and what the stages took."""
    rows = [row for row in result["rows"] if "cells" in row]
    names = list(dict.fromkeys(row["network"] for row in rows))
    parts = [
        _agreements(rows, names),
        _speeds(rows),
        _middles(rows),
        _sixteen(rows),
        _calibrators(rows),
        _costs(rows),
        _refused(result),
    ]
    return "\n\n".join(part for part in parts if part)


def _agreements(rows: list[Row], names: list[str]) -> str:
    """Agreement with FP32; a peer's column says by how much it is better, where that is beyond chance."""
    worse = {(each.network, f"{each.backend}/{each.peer}") for each in comparisons(rows) if each.worse}
    lines = _head("agreement with FP32, %", "parity", "ONNX Runtime", "LiteRT", "LiteRT, int8_int16", *PEERS.values())
    for name in names:
        first = next(row for row in rows if row["network"] == name)
        cells = [_percent(agreement(rows, name, cell)) for cell in (OURS, "int8/litert", "int8_int16/litert")]
        for place in PEERS:
            backend, peer = place.split("/")
            shown = _percent(agreement(rows, name, f"{peer}/{backend}"))
            cells.append(f"**{shown}**" if (name, place) in worse else shown)
        lines.append(_line(name, f"{first['parity']:.0e}", *cells))
    return "\n".join(lines)


def _speeds(rows: list[Row]) -> str:
    over = [f"{words}, batch {size}" for words in ("times FP32", "times quantize_static") for size in BATCHES]
    layers = ("layers in 8 bits, the last one aside", "quantize_static's", "conversions")
    lines = _head("INT8 on ONNX Runtime", *layers, *over, "LiteRT: times FP32, batch 1", "MB, FP32", "INT8")
    for row in rows:
        if row["speed"]:
            speed, cells = row["speed"], row["cells"]
            ratios = [speed["over_fp32"].get(OURS, {}), speed["over_quantize_static"]]
            shown = [_ends(ratio.get(size)) for ratio in ratios for size in BATCHES]
            shown.append(_ends(speed["over_fp32"].get("int8/litert", {}).get("1")))
            shown += [_number(cells.get(cell, {}).get("size_mb")) for cell in ("fp32/onnxruntime", OURS)]
            lines.append(
                _line(
                    row["network"],
                    *map(_layers, (cells.get(OURS, {}), cells.get(RIVAL, {}))),
                    str(cells.get(OURS, {}).get("conversions", "–")),
                    *shown,
                )
            )
    return "\n".join(lines)


def _middles(rows: list[Row]) -> str:
    """The median speed-up over FP32 of all networks, of those that are trained, and of those around one layer."""
    timed = [row for row in rows if row["speed"]]
    groups = {
        "all": timed,
        "trained": [row for row in timed if row["network"] not in LAYER_NETS],
        "around one layer": [row for row in timed if row["network"] in LAYER_NETS],
    }
    shown = {OURS: OURS, RIVAL: "quantize_static", "int8/litert": "int8/litert"}
    cells = {f"{name}, batch {size}": (cell, size) for cell, name in shown.items() for size in BATCHES}
    lines = _head("times FP32 in the median, of so many networks", *cells)
    for name, members in groups.items():
        lines.append(_line(name, *(_middle(members, cell, size) for cell, size in cells.values())))
    return "\n".join(lines)


def _middle(rows: list[Row], cell: str, size: str) -> str:
    ratios = [row["speed"]["over_fp32"].get(cell, {}).get(size) for row in rows]
    known = [ratio[0] for ratio in ratios if ratio]
    return f"{median(known):.2f} ({len(known)})" if known else "–"


def _layers(cell: Row) -> str:
    return f"{cell['inner_in_8_bits']} of {cell['inner']}" if cell.get("inner") else "–"


def _sixteen(rows: list[Row]) -> str:
    kinds = ("fp16/onnxruntime", "bf16/onnxruntime", "fp16/litert", "int8_int16/litert", OURS, "int8/litert")
    lines = _head("agreement and drop of top-1, %", *kinds)
    for row in rows:
        if row["draw"] == 0:
            lines.append(_line(row["network"], *(_dropped(row["cells"].get(kind, {})) for kind in kinds)))
    return "\n".join(lines)


def _calibrators(rows: list[Row]) -> str:
    ratios = calibrator_ratios(rows)
    lines = _head("relative error of the INT8 logits", DEFAULT, "best of the others", "ratio to the best")
    for row in rows:
        for kind, errors in (row["calibrators"] or {}).items():
            name = f"{row['network']}, {kind}"
            error, best = min((error, other) for other, error in errors.items() if other != DEFAULT)
            lines.append(_line(name, f"{errors[DEFAULT]:.4f}", f"{error:.4f} ({best})", f"{ratios[name]:.2f}"))
    return "\n".join(lines)


def _costs(every: list[Row]) -> str:
    """Of the first draw, in which everything is made."""
    rows = [row for row in every if row["draw"] == 0]
    stages = dict.fromkeys(name for row in rows for name in row["costs"])
    lines = _head("stage", "seconds, mean", "most", "peak memory, MB, mean", "most", "at")
    for stage in stages:
        found = {row["network"]: row["costs"][stage] for row in rows if stage in row["costs"]}
        seconds, peaks = ([cost[key] for cost in found.values()] for key in ("seconds", "peak_mb"))
        largest = max(found, key=lambda name: found[name]["peak_mb"])
        shown = fmean(seconds), max(seconds), fmean(peaks), max(peaks)
        lines.append(_line(stage, f"{shown[0]:.1f}", f"{shown[1]:.1f}", f"{shown[2]:.0f}", f"{shown[3]:.0f}", largest))
    return "\n".join(lines)


def _refused(result: Result) -> str:
    lines = [
        f"- {row['network']}, {name}: {why[:300]}" for row in result["rows"] for name, why in _reasons(row).items()
    ]
    return "\n".join(["Not measured:", "", *dict.fromkeys(lines)]) if lines else ""


def _reasons(row: Row) -> dict[str, str]:
    """Why cells of ours, peers, or all of it were not measured."""
    if "failed" in row:
        return {"all": row["failed"]}
    cells = {name: row["cells"].get(name, {}) for name in (OURS, "int8/litert")}
    ours = {name: f"{cell['status']}: {cell['reason']}" for name, cell in cells.items() if cell.get("reason")}
    return ours | {name.removeprefix("given_"): why for name, why in row["refused"].items()}


def _dropped(cell: Row) -> str:
    if cell.get("agreement") is None:
        return str(cell.get("status", "–"))
    drop = cell["drop"]
    return f"{_percent(cell['agreement'])}, {100 * drop[0]:.2f} ({100 * drop[1]:.2f} to {100 * drop[2]:.2f})"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _ends(ends: list[float] | None) -> str:
    return "–" if ends is None else f"{ends[0]:.2f} ({ends[1]:.2f} to {ends[2]:.2f})"


def _head(*cells: str) -> list[str]:
    return [_line(*cells), _line("---", *("---:" for _ in cells[1:]))]


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
