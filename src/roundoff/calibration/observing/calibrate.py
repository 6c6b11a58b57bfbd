"""Calibrate a model: observe training images, choose a range per tensor, measure the noise on held-out images.

outcome = calibrate(calibrator, Path("models/onnx/model.onnx"), Prepared(Path("data/prepared")))
outcome.table.save(Path("models/calibration/table.json"))
cache_from_table(outcome.table)     # calibration.cache.cache_from_table: TensorRT's cache as text
outcome.metrics                     # results.preparation.CalibrationMetrics, for metrics/calibrate.json
outcome.noise                       # a results.preparation.Noise for each row of metrics/noise.csv, worst first
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from roundoff.calibration.base import Calibrator, TensorRange
from roundoff.calibration.observing.choosing import choose_range
from roundoff.calibration.observing.draws import Drawing, Quantize, draws
from roundoff.calibration.observing.fallbacks import check_fallbacks
from roundoff.calibration.observing.guards import (
    Finding,
    check_coverage,
    check_duplicates,
    check_observed,
    check_pixels,
    check_ranges,
    enforce,
)
from roundoff.calibration.observing.judging import Judge, logit_error, unseen
from roundoff.calibration.observing.noise import measure_noise
from roundoff.calibration.observing.observe import histograms, in_batches
from roundoff.calibration.observing.table import CalibrationTable, Provenance
from roundoff.dataset.base import Images, Prepared
from roundoff.errors import CalibrationError
from roundoff.graph.observed import observed_tensors, required_tensors
from roundoff.graph.queries import model_hash, preprocessing
from roundoff.graph.reading import read_graph
from roundoff.results.message import Message, message
from roundoff.results.preparation import CalibrationMetrics, Noise
from roundoff.system.machine import library_versions

log = logging.getLogger(__name__)

Quantized = Callable[[onnx.ModelProto], Collection[str]]


@dataclass(frozen=True)
class Calibration:
    """The table, the metrics, and the noise report's rows, worst first."""

    table: CalibrationTable
    metrics: CalibrationMetrics
    noise: list[Noise]


def calibrate(
    calibrator: Calibrator,
    onnx_path: Path,
    prepared: Prepared,
    quantized: Quantized | None = None,
    asymmetric_quantized: Quantized | None = None,
    quantize: Quantize | None = None,
) -> Calibration:
    """Calibrate the model at `onnx_path` on images of the prepared training split; raises CalibrationError.

    `quantized` gives the names of the tensors that a precision will hold in 8 bits on a symmetric grid,
    `asymmetric_quantized` those on a grid that is fitted to both ends; without them all count as such.
    `quantize` makes a table's graph, which training images judge; without it there are neither draws nor an error.
    """
    model = read_graph(onnx_path)
    images = prepared.split("train").images
    indices, held_out = image_indices(calibrator, prepared, len(images))
    findings = check_images(images, indices, prepared)
    enforce(findings)
    names, required = observed_tensors(model), required_tensors(model)
    ranges = _ranges(calibrator, model, names, required, images, indices, held_out)
    findings += [
        *check_observed(names, ranges),
        *check_ranges(ranges, calibrator.max_clipped_percent),
        *check_fallbacks(ranges),
    ]
    noise = measure_noise(
        model,
        ranges,
        in_batches(images, held_out, calibrator.batch_size),
        quantized and quantized(model),
        asymmetric_quantized and asymmetric_quantized(model),
        required,
    )
    table = CalibrationTable(ranges, _provenance(calibrator, model, images, indices, held_out, prepared))
    metrics = _metrics(calibrator, ranges, noise, _warned(findings), len(indices), len(held_out))
    if quantize is not None:
        in_test = prepared.manifest.duplicates.train_indices
        judge = Judge(model, images, unseen(len(images), indices, in_test, held_out))
        metrics = replace(metrics, logit_error=logit_error(judge, lambda: quantize(model, table)))
        if calibrator.draws > 1:
            usable = np.setdiff1d(np.arange(len(images)), in_test)
            drawing = Drawing(model, list(ranges), required, images, quantize)
            metrics = replace(metrics, draws=draws(calibrator, drawing, usable, prepared.manifest.seed or 0))
    return Calibration(table, metrics, noise)


def image_indices(
    calibrator: Calibrator, prepared: Prepared, total: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the calibration images, and of held-out ones spread evenly over the rest of the training split.

    Training images whose pixels are in the test split are in neither.
    """
    chosen = prepared.calibration_indices(calibrator.images)
    in_test = prepared.manifest.duplicates.train_indices
    rest = np.setdiff1d(np.arange(total), [*chosen, *in_test])
    if not len(rest):
        raise CalibrationError(
            "no training image is left to be held out",
            received=f"{len(chosen)} calibration images of {total} training images, {len(in_test)} in the test split",
            expected="fewer, since noise is measured on other images than the ranges",
            fix="lower calibrate.images",
        )
    spread = np.linspace(0, len(rest), min(calibrator.held_out, len(rest)), endpoint=False).astype(np.int64)
    return chosen, rest[spread]


def check_images(images: Images, indices: NDArray[np.int64], prepared: Prepared) -> list[Finding]:
    """Findings of every guard on the images at `indices` of the training split."""
    manifest = prepared.manifest
    return [
        *check_pixels((images[index] for index in indices), manifest.test, prepared.split("test").images),
        *check_coverage(prepared.split("train").labels[indices], len(manifest.classes), len(indices)),
        *check_duplicates((images[index] for index in indices), prepared.split("test").images),
    ]


def _ranges(
    calibrator: Calibrator,
    model: onnx.ModelProto,
    names: Sequence[str],
    required: Collection[str],
    images: Images,
    indices: NDArray[np.int64],
    held_out: NDArray[np.int64],
) -> dict[str, TensorRange]:
    size = calibrator.batch_size
    seen = histograms(model, names, in_batches(images, indices, size), required)
    compared = seen
    if calibrator.compares_held_out:
        compared = histograms(model, list(seen), in_batches(images, held_out, size), required)
    return {name: choose_range(calibrator, seen[name], compared[name]) for name in compared}


def _warned(findings: Sequence[Finding]) -> list[Message]:
    """The findings as warnings, which are logged, too."""
    warnings = [message("guard_found", guard=finding.guard, text=finding.message) for finding in findings]
    for warning in warnings:
        log.warning("warning: %s", warning)
    return warnings


def _metrics(
    calibrator: Calibrator,
    ranges: Mapping[str, TensorRange],
    noise: list[Noise],
    warnings: list[Message],
    images: int,
    held_out: int,
) -> CalibrationMetrics:
    return CalibrationMetrics(
        method=calibrator.name,
        images=images,
        held_out=held_out,
        tensors=len(ranges),
        worst_sqnr_db=min((one.sqnr_db for one in noise if one.quantized), default=None),
        clipped_percent_max=max((100 * _most_clipped(seen) for seen in ranges.values()), default=None),
        max_clipped_percent=calibrator.max_clipped_percent,
        warnings=[*warnings],
        noise=noise,
    )


def _most_clipped(seen: TensorRange) -> float:
    return max(seen.choice(symmetric).clipped_fraction for symmetric in (True, False))


def _provenance(
    calibrator: Calibrator,
    model: onnx.ModelProto,
    images: Images,
    indices: NDArray[np.int64],
    held_out: NDArray[np.int64],
    prepared: Prepared,
) -> Provenance:
    size = calibrator.batch_size
    return Provenance(
        method=calibrator.name,
        settings={name: value for name, value in asdict(calibrator).items() if name != "draws"},
        model_sha256=model_hash(model),
        images_sha256=_sha256(in_batches(images, indices, size)),
        image_indices=indices.tolist(),
        held_out_sha256=_sha256(in_batches(images, held_out, size)),
        held_out_indices_sha256=hashlib.sha256(held_out.astype("<i8").tobytes()).hexdigest(),
        preprocessing=preprocessing(model),
        seed=prepared.manifest.seed,
        versions=library_versions(("roundoff", "onnx", "onnxruntime", "numpy")),
    )


def _sha256(batches: Iterable[Images]) -> str:
    digest = hashlib.sha256()
    for batch in batches:
        digest.update(batch.tobytes())
    return digest.hexdigest()
