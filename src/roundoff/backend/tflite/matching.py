"""Which tensor of a .tflite model is which of the ONNX graph: by their values on a few calibration images.

Names do not tell, and the layouts differ (NHWC, NCHW). But a range is one of the values alone, in whatever order: so
two tensors match where their sorted values are the same, up to the rounding of float32.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from roundoff.backend.tflite.observing import activations
from roundoff.calibration.observing.observe import observe
from roundoff.calibration.observing.table import CalibrationTable
from roundoff.dataset.base import Images
from roundoff.errors import CalibrationError
from roundoff.export.tflite_graph import TfliteGraph
from roundoff.graph.difference import relative_error
from roundoff.precision.rewriting.qdq import require_same_model

IMAGES = 4
TOLERANCE = 1e-3
"""Relative error, Euclidean: kernels that add in another order stay far below, other tensors far above."""
SAMPLES = 4096
"""Of each tensor's sorted values, as many are compared."""

Sorted = tuple[int, NDArray[np.float32]]


def onnx_names(content: bytes, graph: Path, table: CalibrationTable, images: Images, threads: int) -> dict[str, str]:
    """The ONNX tensor in the table that each of the .tflite model's activations is; those without one are left out.

    Raises CalibrationError where the table is of another graph, or the two do not compute the same.
    """
    model, few = onnx.load(graph), np.array(images[:IMAGES])
    require_same_model(model, table)
    output = model.graph.output[0].name
    theirs = _whole(observe(model, list(dict.fromkeys([*table.ranges, output])), [few], ()))
    ours = next(activations(content, few, len(few), threads))
    read = TfliteGraph.read(content)
    _require_same_answers(ours[read.name(read.outputs[0])], theirs[output])
    known = {name: _sorted(theirs[name]) for name in table.ranges if name in theirs}
    nearest = {name: _nearest(_sorted(values), known) for name, values in ours.items()}
    matched = {name: other for name, other in nearest.items() if other is not None}
    _require_any(matched, known)
    return matched


def _whole(chunks: Iterable[Mapping[str, NDArray[np.float32]]]) -> dict[str, NDArray[np.float32]]:
    """Each tensor's values on all images; large images are observed one by one."""
    parts = list(chunks)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _sorted(values: NDArray[np.float32]) -> Sorted:
    ordered = np.sort(values, axis=None)
    places = np.linspace(0, ordered.size - 1, min(SAMPLES, ordered.size)).astype(np.int64)
    return ordered.size, ordered[places]


def _nearest(one: Sorted, known: Mapping[str, Sorted]) -> str | None:
    """The name of the tensor with the same values, the nearest where there are several."""
    errors = {name: relative_error(one[1], other[1]) for name, other in known.items() if other[0] == one[0]}
    best = min(errors, key=lambda name: errors[name], default=None)
    return best if best is not None and errors[best] <= TOLERANCE else None


def _require_same_answers(received: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    error = relative_error(received, expected)
    if not error <= TOLERANCE:  # negated, so that a NaN fails too
        raise CalibrationError(
            "the float model for LiteRT does not compute what the ONNX graph computes, so that its ranges do not fit",
            received=f"relative error {error:.2e} of the logits on {len(expected)} calibration images",
            expected=f"up to {TOLERANCE:.0e}",
            fix="run the export stage again: both have to come from one model",
        )


def _require_any(matched: Mapping[str, str], known: Mapping[str, Sorted]) -> None:
    if not matched:
        raise CalibrationError(
            "no activation of the float model for LiteRT is one of the calibration table's",
            received=_few(list(known)),
            expected="tensors with the same values on calibration images",
            fix="run the export and calibrate stages again; if it stays so, leave out the backend litert",
        )


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) or "an empty table"
