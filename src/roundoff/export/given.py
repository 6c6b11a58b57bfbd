"""A graph that another tool has quantized, made fit for the dataset: uint8 images in, float32 logits out."""

from __future__ import annotations

from pathlib import Path

from roundoff.export.given_feeding import Beside
from roundoff.model.taking.settings import described_at
from roundoff.precision.given import Given


def write_fit(given: Given, at: Beside, key: str, directory: Path) -> Path:
    """The graph in `directory`, under its own name; `key` is where the configuration describes it.

    Raises ConfigError or DataError where it is not quantized, not as `given` says, or not for the dataset.
    """
    path = Path(given.path)
    given.require_file(key)
    with described_at(key):
        if path.suffix == ".tflite":
            from roundoff.export.given_tflite import fit_tflite

            content = fit_tflite(given, at, key)
        else:
            from roundoff.export.given_onnx import fit_onnx

            content = fit_onnx(given, at, key).SerializeToString(deterministic=True)
    written = directory / path.name
    written.write_bytes(content)
    return written
