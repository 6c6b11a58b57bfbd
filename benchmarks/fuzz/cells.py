"""One random network through roundoff: taken, exported, calibrated, and built in every precision on every grid."""

from __future__ import annotations

import json
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from benchmarks.fuzz.networks import CHANNELS, CLASSES, SIDE, images, network
from benchmarks.journal import Row
from roundoff.backend.onnxrt.backend import OnnxRuntime
from roundoff.backend.onnxrt.probes import not_implemented
from roundoff.calibration.base import Calibrator
from roundoff.calibration.best import Best
from roundoff.calibration.entropy import Entropy
from roundoff.calibration.minmax import MinMax
from roundoff.calibration.mse import MeanSquaredError
from roundoff.calibration.observing.calibrate import calibrate
from roundoff.calibration.observing.table import CalibrationTable
from roundoff.calibration.percentile import Percentile
from roundoff.cells.inputs import Inputs
from roundoff.cells.store import build_cell, open_cell
from roundoff.dataset.base import Images, Prepared
from roundoff.errors import RoundoffError
from roundoff.export.onnx_from_keras import Export
from roundoff.export.taken import exported_onnx
from roundoff.model.onnx_file import OnnxFile
from roundoff.precision.base import Grid, Precision
from roundoff.precision.bf16 import Bf16
from roundoff.precision.fp8 import Fp8
from roundoff.precision.fp16 import Fp16
from roundoff.precision.fp32 import Fp32
from roundoff.precision.int8 import Int8
from roundoff.precision.int8_fp16 import Int8Fp16
from roundoff.precision.int8_int16 import Int8Int16
from roundoff.precision.rewriting.in_range import convert_in_range
from roundoff.results.platform import Platform
from roundoff.training.taking import take

SEEN, HELD_OUT, JUDGED = 64, 32, 128
SIZES = {"images": SEEN, "held_out": HELD_OUT, "batch_size": 32}
DEFAULT = "mse"
METHODS: dict[str, Calibrator] = {
    "minmax": MinMax(**SIZES),
    DEFAULT: MeanSquaredError(**SIZES),
    "entropy": Entropy(**SIZES),
    "percentile": Percentile(**SIZES),
    "best": Best(**SIZES),
}
PRECISIONS: dict[str, Precision] = {
    "fp32": Fp32(),
    "fp16": Fp16(),
    "bf16": Bf16(),
    "int8": Int8(),
    "int8_fp16": Int8Fp16(),
    "int8_int16": Int8Int16(),
    "fp8": Fp8(),
}
GRIDS = {"onnxruntime": OnnxRuntime.grid, "tensorrt": Grid()}
BACKEND = OnnxRuntime(threads=1)
Logits = NDArray[np.float32]
Tables = Mapping[str, CalibrationTable]


def tried(seed: int) -> Row:
    """The row of the network of that seed: an outcome for each step and cell, and INT8's errors by method."""
    row: Row = {"seed": seed, "outcomes": {}, "errors": {}, "varying": {}}
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        _Trial(Path(folder), row).run(seed)
    return row


class _Trial:
    """A network's folder, and the row that is filled."""

    def __init__(self, folder: Path, row: Row) -> None:
        self._folder, self._row = folder, row
        self._model = folder / "model.onnx"

    def run(self, seed: int) -> None:
        prepared = _prepared(self._folder, seed)
        onnx.save(network(seed), self._folder / "given.onnx")
        with self._step("export"):
            self._export(prepared)
        tables: dict[str, CalibrationTable] = {}
        for name, method in METHODS.items() if self._model.exists() else ():
            with self._step(f"calibrate {name}"):
                tables[name] = calibrate(method, self._model, prepared).table
        if self._model.exists():
            judged = prepared.split("test").images
            exact = _run(onnx.load(self._model), judged)
            self._row["spread"] = _error(exact.mean(axis=0, keepdims=True).repeat(len(exact), axis=0), exact)
            self._cells(prepared, tables, judged, exact)

    def _export(self, prepared: Prepared) -> None:
        taken = self._folder / "trained"
        taken.mkdir()
        given = OnnxFile(path=str(self._folder / "given.onnx"), scale=1 / 255, check_preprocessing=False)
        take(given, prepared, np.arange(SEEN), taken)
        settings = Export(opset=18, parity_images=SEEN, tolerance=1e-4)
        exported_onnx(
            taken / "model.onnx", prepared, self._model, settings.opset, settings.parity_images, settings.tolerance
        )

    def _cells(self, prepared: Prepared, tables: Tables, judged: Images, exact: Logits) -> None:
        seen = prepared.calibration_images(SEEN)
        for name, precision in PRECISIONS.items():
            table = tables.get(DEFAULT)
            if precision.needs_calibration and table is None:
                continue
            with self._step(f"{name} onnxruntime"):
                self._judge(f"{name} onnxruntime", self._built(name, precision, table, seen, judged), exact)
            with self._step(f"{name} tensorrt"):
                made = convert_in_range(precision, onnx.load(self._model), GRIDS["tensorrt"], table, seen)
                self._judge(f"{name} tensorrt", _run(made, judged), exact)
        for method, chosen in tables.items():
            for grid_name, grid in GRIDS.items():
                with self._step(f"int8 {method} {grid_name}"):
                    found = _run(PRECISIONS["int8"].convert(onnx.load(self._model), grid, chosen), judged)
                    self._row["errors"].setdefault(grid_name, {})[method] = _error(found, exact)
                    self._row["varying"].setdefault(grid_name, {})[method] = _error(_unshifted(found, exact), exact)

    def _built(
        self, name: str, precision: Precision, table: CalibrationTable | None, seen: Images, judged: Images
    ) -> Logits:
        path = self._folder / "table.json"
        if table is not None:
            table.save(path)
        inputs = Inputs(self._model, None, path if table is not None else None, seen, _platform())
        directory = self._folder / "cells" / name / "onnxruntime"
        metrics = build_cell("onnxruntime", BACKEND, name, precision, inputs, directory)
        if metrics.status != "built":
            raise RoundoffError(str(metrics.reason), received=name, expected="a cell", fix="none")
        with open_cell(BACKEND, directory, _platform()) as runner:
            return runner.infer(judged)

    def _judge(self, step: str, found: Logits, exact: Logits) -> None:
        if np.isfinite(exact).all() and not np.isfinite(found).all():
            self._row["outcomes"][step] = "wrong: logits are not finite"
        else:
            self._row["errors"].setdefault("cells", {})[step] = _error(found, exact)

    @contextmanager
    def _step(self, step: str) -> Iterator[None]:
        """Keep how a step ended: done, refused in words, or with a traceback."""
        outcomes: dict[str, str] = self._row["outcomes"]
        try:
            yield
            outcomes.setdefault(step, "done")
        except RoundoffError as error:
            outcomes[step] = f"refused: {' '.join(str(error).split())[:300]}"
        except not_implemented() as error:
            outcomes[step] = f"refused: ONNX Runtime has no kernel: {' '.join(str(error).split())[:200]}"
        except Exception:
            outcomes[step] = f"crash: {traceback.format_exc()[-1500:]}"


def _error(found: Logits, exact: Logits) -> float:
    """The error of logits as a share of their size; NaN where either is not finite."""
    size = float(np.linalg.norm(exact.astype(np.float64)))
    return float(np.linalg.norm(found.astype(np.float64) - exact) / max(size, 1e-30))


def _unshifted(found: Logits, exact: Logits) -> Logits:
    """Logits without what all images' have too much: the error left is that which differs between images."""
    shifted: Logits = found - (found.astype(np.float64) - exact).mean(axis=0)
    return shifted


def _run(model: onnx.ModelProto, batch: Images) -> Logits:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL  # as written
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    logits: Logits = session.run(None, {"image": batch})[0]
    return logits


@cache
def _platform() -> Platform:
    from roundoff.backend.fingerprint import fingerprint

    return fingerprint({"onnxruntime": BACKEND})


def _prepared(folder: Path, seed: int) -> Prepared:
    """Images as the prepare stage leaves them: calibration, held-out ones, and others to judge by."""
    place = folder / "prepared"
    place.mkdir()
    drawn = images(seed, SEEN + HELD_OUT + JUDGED)
    parts = {"train": drawn[: SEEN + HELD_OUT], "test": drawn[SEEN + HELD_OUT :]}
    for name, part in parts.items():
        np.save(place / f"{name}_images.npy", part)
        np.save(place / f"{name}_labels.npy", np.arange(len(part)) % CLASSES)
    manifest = {
        "classes": [str(number) for number in range(CLASSES)],
        "shape": [SIDE, SIDE, CHANNELS],
        "test": {
            "channel_mean": parts["test"].mean((0, 1, 2)).tolist(),
            "channel_std": parts["test"].std((0, 1, 2)).tolist(),
        },
        "calibration_indices": list(range(SEEN)),
    }
    (place / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return Prepared(place)
