"""What a cell's sidecar says before anything is built: who builds it, and from what."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from typing import Any, Literal

from roundoff.backend.base import Backend
from roundoff.cells.inputs import Inputs
from roundoff.cells.sidecar import (
    FORMAT_VERSION,
    Component,
    Sidecar,
)
from roundoff.precision.base import Precision
from roundoff.system.files import sha256_of


def unbuilt(backend_name: str, backend: Backend, precision_name: str, precision: Precision, inputs: Inputs) -> Sidecar:
    """The sidecar of a cell that is not there yet."""
    return Sidecar(
        format=FORMAT_VERSION,
        backend=_configured(backend_name, backend),
        precision=replace(_configured(precision_name, precision), weights=precision.weights),
        configured=list(inputs.backends),
        ranges=_ranges(backend, precision, inputs),
        sources=_source_hashes(backend, precision, inputs),
        fingerprint=inputs.fingerprint,
        status="unavailable",
    )


def _ranges(backend: Backend, precision: Precision, inputs: Inputs) -> Literal["symmetric", "asymmetric"] | None:
    """Which of the calibration table's ranges the cell is built from: for symmetric or asymmetric grids, or none."""
    if backend.starts_from == "keras" or not (precision.needs_calibration and inputs.table):
        return None
    if backend.starts_from == "tflite" and precision.activations != "int8":
        return None  # 16 bits: each range is a tensor's extremes
    fitted = precision.activations == "int8" and not backend.grid.symmetric
    return "asymmetric" if fitted else "symmetric"


def _configured(name: str, component: Any) -> Component:
    kind = type(component)
    # lists that come from a configuration are OmegaConf's, which JSON does not know
    config = json.loads(json.dumps(asdict(component), default=list))
    return Component(name=name, type=f"{kind.__module__}.{kind.__qualname__}", config=config)


def _source_hashes(backend: Backend, precision: Precision, inputs: Inputs) -> dict[str, str]:
    if inputs.given:
        return {"given": sha256_of(inputs.given)}
    if backend.starts_from == "tflite":
        return _tflite_hashes(precision, inputs)
    if not backend.takes_onnx:
        images = hashlib.sha256(inputs.calibration.tobytes()).hexdigest()
        keras = {"keras": sha256_of(inputs.keras)} if inputs.keras else {}
        return keras | ({"images": images} if precision.needs_calibration else {})
    table = {"calibration": sha256_of(inputs.table)} if precision.needs_calibration and inputs.table else {}
    return {"onnx": sha256_of(inputs.onnx)} | table


def _tflite_hashes(precision: Precision, inputs: Inputs) -> dict[str, str]:
    """The float file's, and of what chooses the ranges: images on which its tensors are found in the ONNX graph."""
    files = {"tflite": inputs.tflite}
    if precision.needs_calibration:
        files |= {"onnx": inputs.onnx, "calibration": inputs.table}
    hashes = {name: sha256_of(path) for name, path in files.items() if path}
    images = {"images": hashlib.sha256(inputs.calibration.tobytes()).hexdigest()}
    return hashes | (images if precision.needs_calibration else {})
