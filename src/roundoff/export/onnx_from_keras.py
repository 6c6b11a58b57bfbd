"""The export as a component: its settings, checked before any work; `steps` does it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from roundoff.dataset.base import Prepared
from roundoff.pipeline.apart import apart
from roundoff.pipeline.limits import MOST_IMAGES, require
from roundoff.results.preparation import ExportMetrics, KerasExport

if TYPE_CHECKING:
    from roundoff.results.message import Message

NEWEST_OPSET = 99  # beyond any that there is


@dataclass(frozen=True)
class Export:
    """The ONNX opset, and how closely the graph must follow Keras on how many images of the training split.

    `tolerance` bounds ‖a − b‖ ÷ ‖b‖ over all logits (a: ONNX Runtime's, b: Keras'), and the gap, relative to the
    row's largest logit, below which two classes count as tied; for a network that enlarges float32's own rounding, 4
    times what that costs does.
    """

    opset: int
    parity_images: int
    tolerance: float

    def __post_init__(self) -> None:
        checks = {
            "opset": (18 <= self.opset <= NEWEST_OPSET, f"18 or newer, up to {NEWEST_OPSET} if the converter knows it"),
            "parity_images": (1 <= self.parity_images <= MOST_IMAGES, f"at least 1, at most {MOST_IMAGES}"),
            "tolerance": (0 < self.tolerance < 1, "a number between 0 and 1"),
        }
        for key, (holds, expected) in checks.items():
            require(holds, f"export.{key}", getattr(self, key), expected)

    def graphs_from_trained(self, directory: Path, prepared: Prepared, onnx: Path, tflite: Path) -> ExportMetrics:
        """Both graphs of what the train stage left in `directory`: the file `onnx` and the folder `tflite`.

        All that takes Keras is done in a process of its own, so that LiteRT's converter has the memory for itself.
        """
        from roundoff.export.tflite_from_keras import saved_from_trained, tflite_from_saved

        def first() -> tuple[ExportMetrics, Path | Message]:
            return self.onnx_from_trained(directory, prepared, onnx), saved_from_trained(directory, Path(scratch))

        with tempfile.TemporaryDirectory(prefix="roundoff-tflite-") as scratch:
            metrics, saved = apart(first)
            tflite_from_saved(saved, tflite)
        return metrics

    def onnx_from_trained(self, directory: Path, prepared: Prepared, output: Path) -> ExportMetrics:
        """As `onnx_from_keras`, from what the train stage left in `directory`, whatever its form."""
        from roundoff.export.saved import exported_saved
        from roundoff.export.taken import exported_onnx
        from roundoff.training.trained import read_trained

        trained = read_trained(directory)
        if trained.form == "onnx":
            return exported_onnx(trained.path, prepared, output, self.opset, self.parity_images, self.tolerance)
        if trained.form == "saved_model":
            return exported_saved(trained.path, prepared, output, self.opset, self.parity_images, self.tolerance)
        return self.onnx_from_keras(trained.path, prepared, output)

    def tflite_from_trained(self, directory: Path, output: Path) -> None:
        """Write the float model that LiteRT's builds start from into the folder `output`, or why there is none."""
        from roundoff.export.tflite_from_keras import tflite_from_trained

        tflite_from_trained(directory, output)

    def onnx_from_keras(self, source: Path, prepared: Prepared, output: Path) -> KerasExport:
        """Write the graph of the .keras file `source` to `output`, atomically; the same file gives the same bytes.

        Input `image` uint8 [N, H, W, C], output `logits` float32 [N, classes], batch norm folded into convolutions.
        Returns the parity figures and facts of the graph. Raises DataError for a model that does not fit the prepared
        dataset, ExportError for one that ONNX has no words for, and GateError where the graph's logits are not Keras';
        then nothing is written.
        """
        from roundoff.export.steps import exported

        return exported(source, prepared, output, self.opset, self.parity_images, self.tolerance)
