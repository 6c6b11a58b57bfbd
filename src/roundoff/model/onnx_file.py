"""A trained classifier from an ONNX file: of PyTorch, TensorFlow, or any other that exports one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from roundoff.model.base import Images, Logits, OpenModel, Saved, SavedOnnx, Taken, TakenModel
from roundoff.model.taking.preprocessing import Preprocessing
from roundoff.model.taking.settings import setting
from roundoff.pipeline.limits import require


@dataclass(frozen=True)
class OnnxFile(TakenModel):
    """The ONNX classifier at `path`: uint8 or float32 images in, a number for each class out.

    `layout` says where the channels are, nchw or nhwc; null finds out. A batch dimension that is fixed is opened. A
    softmax or sigmoid at the end is left out, since it changes no answer; one output becomes two logits.
    """

    layout: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.layout in (None, "nchw", "nhwc"), setting("layout"), repr(self.layout), "nchw, nhwc or null")

    def open(self, shape: tuple[int, int, int], classes: Sequence[str]) -> OpenModel:
        from roundoff.model.taking.onnx_opening import opened

        return OpenOnnx(opened(self, self.layout, shape, classes))


@dataclass(frozen=True)
class OpenOnnx(OpenModel):
    """An ONNX graph that fits the dataset."""

    network: Any

    @property
    def takes_pixels(self) -> bool:  # type: ignore[override]
        return bool(self.network.image.uint8)

    def with_preprocessing(self, preprocessing: Preprocessing) -> Taken:
        return TakenOnnx(self.network.wrapped(preprocessing), self.network.saved("model.onnx"))


@dataclass(frozen=True)
class TakenOnnx(Taken):
    """The whole graph, from pixels to logits."""

    graph: Any
    saved: SavedOnnx

    @cached_property
    def session(self) -> Any:
        """ONNX Runtime's, on the CPU."""
        from roundoff.model.taking.onnx_running import session

        return session(self.graph)

    def logits(self, images: Images) -> Logits:
        return np.asarray(self.session.run(None, {"image": np.asarray(images)})[0])

    def save(self, directory: Path) -> Saved:
        from roundoff.graph.reading import seal

        seal(self.graph)
        (directory / self.saved.file).write_bytes(self.graph.SerializeToString(deterministic=True))
        return self.saved
