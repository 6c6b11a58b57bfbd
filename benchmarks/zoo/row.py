"""What is kept of one network and draw: a row of the zoo, from the metrics that the stages wrote."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.zoo.layers import inner_layers
from roundoff.measurement.samples import medians_by_load
from roundoff.measurement.statistics import median_interval
from roundoff.results.cell import Batch, CellMetrics
from roundoff.results.metrics import read_metrics
from roundoff.system.files import read_json

OURS, RIVAL = "int8/onnxruntime", "given_onnxruntime/onnxruntime"
EIGHT_BITS = ("int8", "uint8")
Ends = tuple[float, float, float]
"""A figure and the ends of its 95 % interval."""


@dataclass(frozen=True, kw_only=True)
class CellRow:
    """One cell; shares and MB.

    `agrees` has a bit for each test image, 1 where the answer is FP32's, in base64. `multiplying` are the layers that
    multiply, `in_8_bits` those of them that do it in 8 bits; `inner` are those of `layers.inner_layers`.
    """

    status: str
    reason: str | None = None
    size_mb: float | None = None
    agreement: float | None = None
    drop: Ends | None = None
    error: float | None = None
    multiplying: int | None = None
    in_8_bits: int | None = None
    inner: int | None = None
    inner_in_8_bits: int | None = None
    conversions: int | None = None
    instructions: list[str] | None = None
    agrees: str | None = None


@dataclass(frozen=True)
class Speed:
    """Ratios of times by batch size: of each cell over its backend's FP32, and of our INT8 over quantize_static's."""

    over_fp32: dict[str, dict[str, Ends]]
    over_quantize_static: dict[str, Ends]


def cells(folder: Path) -> dict[str, CellRow]:
    """The cells of the run in `folder`, by name."""
    metrics = read_metrics(folder / "metrics")
    assert metrics.reference, "evaluate ends without one"
    predictions = folder / "data" / "predictions"
    exact = _classes(predictions, metrics.reference)
    rows = {name: _row(cell, predictions, name, exact) for name, cell in metrics.cells.items()}
    return {name: _counted(row, folder / "models" / "engines" / name / "model.onnx") for name, row in rows.items()}


def parity(folder: Path) -> float:
    """Relative error of the ONNX graph's logits against those of what came in."""
    return float(read_json(folder / "metrics" / "export.json")["relative_error"])


def speed(folder: Path) -> Speed:
    """Of a timed run, with its metrics and timings in `folder`."""
    timings, rival = folder / "timings", {}
    for path in sorted((timings / OURS).glob("batch_*.npz")):
        theirs = timings / RIVAL / path.name
        if theirs.exists():
            rival[path.stem.removeprefix("batch_")] = _ratio(np.load(theirs), np.load(path))
    found: dict[str, dict[str, Ends]] = {}
    for name, cell in read_metrics(folder / "metrics").cells.items():
        ends = {str(size): ratio for size, batch in cell.batches.items() if (ratio := _speedup(batch))}
        found |= {name: ends} if ends else {}
    return Speed(found, rival)


def bits(agrees: str, count: int) -> NDArray[np.bool_]:
    """The test images whose answer is FP32's."""
    return np.unpackbits(np.frombuffer(base64.b64decode(agrees), np.uint8), count=count).astype(bool)


def _row(cell: CellMetrics, predictions: Path, name: str, exact: NDArray[np.int64]) -> CellRow:
    said = [str(each) for each in (cell.reason, cell.detail) if each]
    if not cell.measured or cell.accuracy is None:
        return CellRow(status=cell.status, reason=": ".join(said) or None, size_mb=cell.size_mb)
    types = (cell.numerics.layer_types if cell.numerics else None) or {}
    accuracy = cell.accuracy
    drop = accuracy.drop, accuracy.drop_low, accuracy.drop_high
    return CellRow(
        status=cell.status,
        size_mb=cell.size_mb,
        agreement=accuracy.agreement,
        drop=None if None in drop else drop,  # type: ignore[arg-type]
        error=cell.numerics.relative_error if cell.numerics else None,
        multiplying=sum(types.values()) or None,
        in_8_bits=sum(count for kind, count in types.items() if kind in EIGHT_BITS) if types else None,
        conversions=cell.numerics.conversions if cell.numerics else None,
        instructions=cell.numerics.cpu_instructions if cell.numerics else None,
        agrees=base64.b64encode(np.packbits(_classes(predictions, name) == exact).tobytes()).decode(),
    )


def _counted(row: CellRow, engine: Path) -> CellRow:
    """The row with its layers counted, where there is an ONNX graph to count them in."""
    if row.agreement is None or not engine.exists():
        return row
    inner, in_8_bits = inner_layers(engine)
    return replace(row, inner=inner, inner_in_8_bits=in_8_bits)


def _speedup(batch: Batch) -> Ends | None:
    if batch.speedup is None or batch.speedup_low is None or batch.speedup_high is None:
        return None
    return batch.speedup, batch.speedup_low, batch.speedup_high


def _classes(predictions: Path, name: str) -> NDArray[np.int64]:
    answers = np.load(predictions / f"{name}.npy")
    return np.asarray(answers[:, 0] if answers.dtype == np.int32 else answers.argmax(1))


def _ratio(theirs: Any, ours: Any) -> Ends:
    """Their time over ours: per round, the median of each load, over loads the interval."""
    loads = np.intersect1d(theirs["round_load"], ours["round_load"])
    a, b = (each["round_ms"][np.isin(each["round_load"], loads)] for each in (theirs, ours))
    found = median_interval(medians_by_load(a / b, ours["round_load"][np.isin(ours["round_load"], loads)]))
    return found.value, found.low, found.high
