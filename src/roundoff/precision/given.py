"""A graph that another tool has quantized: judged beside those that are made here, and changed in nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roundoff.errors import ConfigError
from roundoff.pipeline.limits import require
from roundoff.precision.base import Grid, Precision

if TYPE_CHECKING:
    import onnx

    from roundoff.calibration.observing.table import CalibrationTable

FORMS = (".onnx", ".tflite")
LAYOUTS = (None, "nchw", "nhwc")


@dataclass(frozen=True)
class Given(Precision):
    """The quantized classifier at `path`, an ONNX graph (Q/DQ or QOperator) or a .tflite file.

    What it is fed, and what its answers stand for, is as of `model`; `scale`, `offset`, `mean`, `std`,
    `channel_order`, `classes` say otherwise, and `layout` and `output` what the graph does not tell: as of
    `TakenModel` and `OnnxFile`. `weights`, `activations` and `remainder` are the types that it has: the build stage
    refuses others.
    """

    path: str
    weights: str = "int8"  # type: ignore[misc] # what other precisions are, this one is told
    activations: str = "int8"  # type: ignore[misc]
    remainder: str = "float32"  # type: ignore[misc]
    scale: Any = None
    offset: Any = None
    mean: Any = None
    std: Any = None
    channel_order: str | None = None
    classes: Any = None
    layout: str | None = None
    output: str | None = None

    def __post_init__(self) -> None:
        require(self.path.endswith(FORMS), "path", repr(self.path), f"a file whose name ends in {' or '.join(FORMS)}")
        require(self.layout in LAYOUTS, "layout", repr(self.layout), "nchw, nhwc or null")
        require(self.output != "", "output", "''", "the name of one of the graph's outputs, or null")

    def require_file(self, key: str) -> None:
        """ConfigError, which names the setting, unless the file is there."""
        if not Path(self.path).is_file():
            raise ConfigError(
                f"{key}.path names no file",
                received=self.path,
                expected=f"a file whose name ends in {' or '.join(FORMS)}",
                fix=f"set {key}.path=PATH, absolute, since experiments run in a copy of the project",
            )

    def convert(self, model: onnx.ModelProto, grid: Grid, table: CalibrationTable | None) -> onnx.ModelProto:
        """The given graph itself."""
        return model
