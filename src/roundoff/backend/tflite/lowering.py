"""A float .tflite model in a precision: float16 weights, or int8 weights with the calibration table's ranges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from roundoff.backend.base import Source
from roundoff.backend.tflite.bias import with_corrected_biases
from roundoff.backend.tflite.chaining import reach
from roundoff.backend.tflite.leaving import excluded, left_in_float
from roundoff.backend.tflite.matching import onnx_names
from roundoff.backend.tflite.observing import Ends, observed
from roundoff.backend.tflite.pixels import with_pixels_on_a_grid
from roundoff.backend.tflite.quantizer import quantized, with_float16_weights
from roundoff.calibration.observing.table import CalibrationTable
from roundoff.errors import CalibrationError
from roundoff.export.tflite_graph import TfliteGraph
from roundoff.precision.rewriting.chosen import names_left_wide
from roundoff.results.message import Message, message

BITS = {"int8": 8, "int16": 16}
STEPS = 255
NAMED = 4
QUANTIZED = "_quantized"  # behind the name of a float tensor, the library's name for its 8-bit copy


def lowered(source: Source, threads: int) -> tuple[bytes, list[Message]]:
    """The source's float .tflite file in its precision, and what its row should say.

    Raises CalibrationError where the calibration table does not belong to the file.
    """
    assert source.tflite is not None  # or there is no such cell
    content = source.tflite.read_bytes()
    if source.precision.weights == "float32":
        return content, []
    if source.precision.weights == "float16":
        return with_float16_weights(content), [message("weights_widened")]
    if source.precision.activations == "int16":
        return _with_16_bit_activations(source, content, threads)
    return _with_table(source, content, threads)


def _with_16_bit_activations(source: Source, content: bytes, threads: int) -> tuple[bytes, list[Message]]:
    """With 65,536 steps no range has to be chosen: each spans the extremes."""
    seen, graph = observed(content, source.calibration, threads), TfliteGraph.read(content)
    left = left_in_float(graph, source.precision)
    corrected = with_corrected_biases(content, seen) if _corrects(source) else content
    return quantized(corrected, seen.ends, 16, left, graph), [message("extremes_taken")]


def _with_table(source: Source, content: bytes, threads: int) -> tuple[bytes, list[Message]]:
    import onnx

    table, graph = _table(source.table), TfliteGraph.read(content)
    names = onnx_names(content, source.graph, table, source.calibration, threads)
    seen = observed(content, source.calibration, threads)
    chosen = {name: table.ranges[other].choice(symmetric=False) for name, other in names.items()}
    ranges = seen.ends | {name: (each.low, each.high) for name, each in chosen.items()}
    model = onnx.load(source.graph)
    patterns = names_left_wide(getattr(source.precision, "exclude_nodes", ()), model)
    out, idle = excluded(graph, model, patterns, names) if patterns else ([], [])
    left = [*left_in_float(graph, source.precision), *out]
    reached = reach(graph, left)
    corrected = with_corrected_biases(content, seen) if _corrects(source) else content
    floats = {graph.name(int(tensor)) for each in reached.outside for tensor in each.outputs}
    settled, pixels = with_pixels_on_a_grid(corrected, floats)
    made = quantized(settled, ranges | pixels, 8, reached.outside, graph, reached.rounding)
    rounding = [message("rounded_as_it_runs", count=len(reached.rounding))] if reached.rounding else []
    return made, [*_notes(made, seen.ends, names, idle), *rounding]


def _corrects(source: Source) -> bool:
    return bool(getattr(source.precision, "bias_correction", True))


def _table(path: Path | None) -> CalibrationTable:
    if path is None:
        raise CalibrationError(
            "INT8 on LiteRT needs a calibration table",
            received=None,
            expected="a table",
            fix="run the calibrate stage first",
        )
    return CalibrationTable.load(path)


def _notes(made: bytes, ends: Mapping[str, Ends], names: Mapping[str, str], idle: list[str]) -> Iterator[Message]:
    graph = TfliteGraph.read(made)
    tensors = [tensor for tensor in graph.tensors if graph.kind(tensor) == "INT8"]
    held = {graph.name(tensor).removesuffix(QUANTIZED): tensor for tensor in tensors}
    from_table = [name for name in names if name in held]
    own = [name for name in ends.keys() - names.keys() if name in held and _spans(graph, held[name], ends[name])]
    yield message("table_ranges", count=len(from_table))
    if own:
        more = [message("and_more", count=len(own) - NAMED)] if len(own) > NAMED else []
        yield message("own_ranges", count=len(own), names=[*sorted(own)[:NAMED], *more])
    if idle:
        yield message("excluded_not_found", names=idle)


def _spans(graph: TfliteGraph, tensor: int, ends: Ends) -> bool:
    """Whether the grid is of the tensor's own extremes: kernels may prescribe one, or hand on their input's."""
    grid, width = graph.grid(tensor), max(ends[1], 0.0) - min(ends[0], 0.0)
    return grid is not None and bool(np.isclose(grid[0] * STEPS, width, rtol=1e-3))
