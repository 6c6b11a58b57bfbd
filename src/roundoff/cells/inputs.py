"""What cells are built from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from roundoff.dataset.base import Images
from roundoff.results.message import Message, message
from roundoff.results.platform import Platform


@dataclass(frozen=True)
class Inputs:
    """What every cell is built from, and what is known of all cells of a build.

    `onnx` is the FP32 graph, `keras` what it was exported from and `tflite` the float .tflite file of that (None if it
    is not here, and `why_no_…` says why), `table` the calibration table's file, `calibration` images uint8
    [N, H, W, C], `fingerprint` the machine's (platform.json). `backends` are those that are configured; what they say
    while they build goes to `logs`, as PRECISION/BACKEND.log. In place of the FP32 graph there may be one that is
    `given`: .onnx or .tflite, uint8 images in, float32 logits out. `data` is the SHA-256 of the prepared images'
    manifest, where the graph itself does not tell it.
    """

    onnx: Path
    keras: Path | None
    table: Path | None
    calibration: Images
    fingerprint: Platform
    backends: tuple[str, ...] = ()
    logs: Path | None = None
    given: Path | None = None
    why_no_keras: Message = field(default_factory=lambda: message("no_keras"))
    tflite: Path | None = None
    why_no_tflite: Message = field(default_factory=lambda: message("no_tflite"))
    data: str | None = None
