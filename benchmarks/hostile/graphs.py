"""The FP32 graph, as calibrate and build read it, and export's float .tflite file."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.random import Generator

from benchmarks.hostile.case import Case
from benchmarks.hostile.crafted import crafted
from benchmarks.hostile.tampering import broken_bytes, broken_json, found, tampered_cases
from roundoff.backend.base import Runner
from roundoff.dataset.base import Prepared

GRAPH, PREPARED = "models/onnx/model.onnx", "data/prepared"
TFLITE, NONE = "models/tflite/model.tflite", "models/tflite/none.json"
IMAGES = 32


def cases(project: Path, random: Generator) -> Iterator[Case]:
    """Graphs that were damaged, and graphs that were made to do damage."""
    good, untouched = (project / GRAPH).read_bytes(), logits(project)
    yield from tampered_cases(project, GRAPH, broken_bytes(good, random, cuts=8, flips=24), logits, untouched)
    yield from tampered_cases(project, GRAPH, crafted(good), logits, untouched)
    float_file, lowered = (project / TFLITE).read_bytes(), litert(project)
    yield from tampered_cases(project, TFLITE, broken_bytes(float_file, random, cuts=8, flips=24), litert, lowered)
    reason = b'{\n  "code": "no_tflite",\n  "values": {}\n}\n'
    for how, content in broken_json(reason, random):
        if content is not None:
            yield from tampered_cases(project, NONE, iter([(how, content)]), partial(_without_model, random), None)


def logits(folder: Path) -> object:
    """Calibrate on the graph, build it in half precision for ONNX Runtime, and run it, as the stages do."""
    from roundoff.backend.onnxrt.backend import OnnxRuntime
    from roundoff.calibration.minmax import MinMax
    from roundoff.calibration.observing.calibrate import calibrate
    from roundoff.cells.inputs import Inputs
    from roundoff.cells.store import build_cell, open_cell
    from roundoff.export.fit import require_fit
    from roundoff.precision.fp16 import Fp16
    from roundoff.results.platform import Platform

    graph, prepared = found(folder, GRAPH), Prepared(found(folder, PREPARED))
    require_fit(graph, prepared)
    calibrate(MinMax(images=IMAGES, held_out=IMAGES), graph, prepared)
    inputs = Inputs(graph, None, None, prepared.calibration_images(IMAGES), Platform())
    backend, cell = OnnxRuntime(threads=1), folder / "fp16" / "onnxruntime"
    build_cell("onnxruntime", backend, "fp16", Fp16(), inputs, cell)
    with open_cell(backend, cell, Platform()) as runner:
        return _answers(runner, prepared, folder)


def _answers(runner: Runner, prepared: Prepared, folder: Path) -> object:
    """The logits of the first test images, as evaluate has them."""
    from roundoff.measurement.answered import Part, run_images
    from roundoff.measurement.logits_file import LogitsFile
    from roundoff.system.progress import progress_bar

    written = LogitsFile(folder / "logits.npy", IMAGES)
    with progress_bar("", IMAGES) as bar:
        run_images(runner, Part(prepared.split("test").images[:IMAGES], np.arange(IMAGES)), written, bar, "cell")
    return written.read()


def litert(folder: Path) -> object:
    """Build the float .tflite file for LiteRT, and run it."""
    from roundoff.backend.tflite.backend import LiteRT
    from roundoff.cells.inputs import Inputs
    from roundoff.cells.store import build_cell, open_cell
    from roundoff.errors import Unavailable
    from roundoff.export.tflite_folder import float_tflite
    from roundoff.precision.fp32 import Fp32
    from roundoff.results.platform import Platform

    prepared = Prepared(found(folder, PREPARED))
    tflite, why_none = float_tflite(found(folder, "models/tflite"))
    if tflite is None:
        raise Unavailable(why_none)
    images = prepared.calibration_images(IMAGES)
    inputs = Inputs(found(folder, GRAPH), None, None, images, Platform(), tflite=tflite)
    backend, cell = LiteRT(threads=1), folder / "fp32" / "litert"
    build_cell("litert", backend, "fp32", Fp32(), inputs, cell)
    with open_cell(backend, cell, Platform()) as runner:
        return _answers(runner, prepared, folder)


def _without_model(_: Generator, folder: Path) -> object:
    (folder / TFLITE).unlink()
    return litert(folder)
