"""How an 8-bit graph answers training images beside FP32; no test image has a part."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from roundoff.calibration.observing.observe import filled, in_batches, runtime_in_words
from roundoff.dataset.base import Images
from roundoff.errors import RoundoffError
from roundoff.graph.difference import relative_error
from roundoff.graph.queries import image_input
from roundoff.graph.sessions import session_options

log = logging.getLogger(__name__)

BATCH = 128


@dataclass(frozen=True)
class Judge:
    """Answers the `images` uint8 [N, H, W, C] at `indices` int64 [n] by ONNX Runtime on the CPU, and compares them
    with those of the FP32 `model`."""

    model: onnx.ModelProto
    images: Images
    indices: NDArray[np.int64]

    @cached_property
    def exact(self) -> NDArray[np.float32]:
        """The model's own logits [n, classes]."""
        return self.logits(self.model)

    def agreement(self, graph: onnx.ModelProto) -> float:
        """The share of FP32's answers that the graph gives."""
        return float(np.mean(self.logits(graph).argmax(axis=1) == self.exact.argmax(axis=1)))

    def error(self, graph: onnx.ModelProto) -> float:
        """‖logits − FP32's‖ ÷ ‖FP32's‖ over all images; not a number where logits are none."""
        return relative_error(self.logits(graph), self.exact)

    def logits(self, graph: onnx.ModelProto) -> NDArray[np.float32]:
        """The graph's logits [n, classes]; CalibrationError where it does not run."""
        import onnxruntime

        with runtime_in_words():
            session = onnxruntime.InferenceSession(
                graph.SerializeToString(), session_options(), providers=["CPUExecutionProvider"]
            )
            return np.concatenate(list(self._parts(session)))

    def _parts(self, session: Any) -> Iterator[NDArray[np.float32]]:
        image = image_input(self.model)
        fixed, name = image.type.tensor_type.shape.dim[0].dim_value, image.name
        for batch in in_batches(self.images, self.indices, fixed or BATCH):
            yield session.run(["logits"], {name: filled(batch, fixed) if fixed else batch})[0][: len(batch)]


def logit_error(judge: Judge, quantized: Callable[[], onnx.ModelProto]) -> float | None:
    """The error of the graph that `quantized` makes; None, and a warning, where there is none or it is not finite."""
    try:
        error = judge.error(quantized())
    except RoundoffError as problem:
        log.warning("warning: the 8-bit graph cannot be judged, and its build will say more: %s", problem)
        return None
    return error if isfinite(error) else None


def unseen(total: int, seen: NDArray[np.int64], in_test: list[int], held_out: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices of training images that chose nothing, as many as are `held_out`, spread over the split; those where
    there are no others.

    `seen` chose the ranges, `held_out` measured the noise, by which some methods choose; `in_test` are test images.
    """
    rest = np.setdiff1d(np.arange(total), [*seen, *held_out, *in_test])
    if not len(rest):
        return held_out
    spread = np.linspace(0, len(rest), min(len(held_out), len(rest)), endpoint=False).astype(np.int64)
    picked: NDArray[np.int64] = rest[spread]
    return picked
