"""Converts a graph so that what its tensors hold on real images fits float16.

Shapes and constants do not tell that a LayerNorm's squares reach 100,000: images do. What overflows on one of them is
kept in float32, with the nodes that give and take it, and listed in the graph's metadata.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from roundoff.errors import BuildError
from roundoff.precision.base import Grid, Precision
from roundoff.precision.rewriting.chosen import names_left_wide, note_chosen
from roundoff.precision.rewriting.float_types import FLOAT16
from roundoff.precision.rewriting.kept import OVERFLOWS, QUANTIZED, note_kept

if TYPE_CHECKING:
    import onnx

    from roundoff.calibration.observing.table import CalibrationTable
    from roundoff.dataset.base import Images

CAST = f"_{FLOAT16.dtype.name}"
ROUNDS = 4
"""Keeping a tensor moves the casts to its neighbours, which may overflow as well; a second time is rare."""
CHUNK_BYTES = 64_000_000


def convert_in_range(
    precision: Precision, model: onnx.ModelProto, grid: Grid, table: CalibrationTable | None, images: Images
) -> onnx.ModelProto:
    """`precision.convert`, and more of the graph in float32 where the images, uint8 [n, H, W, C], overflow float16.

    Raises what `convert` raises, and BuildError for a precision that overflows and has no `keep_float32`.
    """
    converted = precision.convert(model, grid, table)
    if not _float16(converted):
        return converted
    peaks = activation_peaks(model, images)
    kept: dict[str, float] = {}
    for _ in range(ROUNDS):
        over = {name: peak for name, peak in _overflows(converted, peaks).items() if name not in kept}
        if not over:
            break
        kept |= over
        converted = _keeping(precision, kept, model).convert(model, grid, table)
    if kept:
        note_chosen(converted, getattr(precision, "keep_float32", ()), model)
    note_kept(converted, OVERFLOWS, [f"{name} ({peak:.3g})" for name, peak in kept.items()])
    return converted


def activation_peaks(model: onnx.ModelProto, images: Images) -> dict[str, float]:
    """The largest magnitude of each float32 activation of a graph over the images."""
    import onnx
    import onnxruntime

    from roundoff.calibration.observing.observe import chunks, filled
    from roundoff.graph.queries import activations, bytes_per_image, element_types, image_input
    from roundoff.graph.sessions import session_options

    types = element_types(model)
    names = sorted(name for name in activations(model) if types.get(name) == onnx.TensorProto.FLOAT)
    image = image_input(model)
    size = image.type.tensor_type.shape.dim[0].dim_value
    size = size or int(np.clip(CHUNK_BYTES // max(bytes_per_image(model, names), 1), 1, 32))
    session = onnxruntime.InferenceSession(
        _with_extremes(model, names).SerializeToString(), session_options(), providers=["CPUExecutionProvider"]
    )
    peaks = np.zeros(len(names))
    for chunk in chunks([images], size):
        ends = np.abs(np.array(session.run(None, {image.name: filled(chunk, size)}), np.float64))
        peaks = np.fmax(peaks, ends.reshape(2, -1).max(axis=0))
    return dict(zip(names, peaks.tolist(), strict=True))


def _with_extremes(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """A copy whose outputs are the largest, then the smallest values of those tensors, over whole batches."""
    import onnx
    from onnx import helper

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    for operator in ("ReduceMax", "ReduceMin"):
        for name in names:
            end = f"{name}/{operator}"
            copy.graph.node.append(helper.make_node(operator, [name], [end], keepdims=0))
            copy.graph.output.append(helper.make_tensor_value_info(end, onnx.TensorProto.FLOAT, []))
    return copy


def _float16(model: onnx.ModelProto) -> set[str]:
    from roundoff.graph.queries import element_types

    return {name for name, code in element_types(model).items() if code == FLOAT16.code}


def _overflows(converted: onnx.ModelProto, peaks: dict[str, float]) -> dict[str, float]:
    """Tensors of the converted graph that float16 cannot hold, by the names that `keep_float32` takes."""
    overflowing = {}
    for name in sorted(_float16(converted)):
        wide = name.removesuffix(CAST)
        peak = peaks.get(wide.removesuffix(QUANTIZED), 0.0)
        if peak >= FLOAT16.first_beyond:
            overflowing[wide] = peak
    return overflowing


def _keeping(precision: Precision, kept: dict[str, float], model: onnx.ModelProto) -> Precision:
    if "keep_float32" not in {field.name for field in fields(precision)}:  # type: ignore[arg-type]
        name, peak = max(kept.items(), key=lambda item: item[1])
        raise BuildError(
            f"{len(kept)} tensors do not fit float16 on the calibration images",
            received=f"{name} reaches {peak:g}",
            expected=f"at most {FLOAT16.largest:g}",
            fix="give the precision a field keep_float32, or use a wider type (bf16)",
        )
    changed: Any = precision
    named = names_left_wide(changed.keep_float32, model)
    wide: Precision = replace(changed, keep_float32=(*named, *kept))
    return wide
