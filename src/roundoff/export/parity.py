"""How far a graph's logits lie from Keras'."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from roundoff.dataset.base import Images
from roundoff.errors import GateError
from roundoff.graph.difference import relative_error
from roundoff.graph.rounding import explained
from roundoff.model.base import INPUT_NAME, OUTPUT_NAME
from roundoff.system.progress import track

if TYPE_CHECKING:
    import keras

log = logging.getLogger(__name__)
Logits = NDArray[np.float32]
MOST_ERROR = 1e-2  # whatever rounding explains
# What is computed at once: Keras holds all of a network's activations until the last is there.
BATCH_IMAGES, BATCH_PIXELS = 64, 1 << 17


@dataclass(frozen=True)
class Parity:
    """‖a − b‖ ÷ ‖b‖ over all logits, and the images whose class differs: really, or within the tolerance (`ties`)."""

    relative_error: float
    argmax_mismatches: int
    ties: int
    images: int


def parity(
    received: Logits,
    expected: Logits,
    tolerance: float,
    rounding: Callable[[], float],
    parting: Callable[[float], str | None] = lambda _: None,
    source: str = "the Keras model",
) -> Parity:
    """The parity of a graph's logits [n, classes] with the `source`'s; GateError where it is worse than `tolerance`.

    Where it is, `rounding` is asked for what float32's rounding costs this network, and 4 times that is allowed; and
    where it is worse than that, `parting`, with the error, for the layer where the two part.
    """
    error = relative_error(received, expected)
    mismatches, ties = argmax_differences(received, expected, tolerance)
    if mismatches or not error <= tolerance:
        own = rounding()
        allowed = explained(own, MOST_ERROR)
        tolerance = max(tolerance, allowed)
        mismatches, ties = argmax_differences(received, expected, tolerance)
        log.warning(
            "warning: the graph's logits are %.1e from those of %s; float32's own rounding explains up to %.1e: "
            "moving each weight to the next float32 changes this network's logits by %.1e",
            *(error, source, allowed, own),
        )
    # Negated, so that a NaN fails too.
    if mismatches or not error <= tolerance:
        layer = parting(error)
        where = f"; they part at the layer {layer}" if layer else ""
        raise GateError(
            f"The ONNX graph does not compute what {source} computes",
            received=f"relative error {error:.2e}, {mismatches} different classes on {len(expected)} images{where}",
            expected=f"relative error up to {tolerance:.0e} and the same class everywhere",
            fix=f"replace {layer or 'the layer that is converted inexactly'} by one that computes the same; "
            "raise export.tolerance only if you know why",
        )
    return Parity(error, mismatches, ties, len(expected))


def keras_logits(network: keras.Model, images: Images) -> Logits:
    """The logits float32 [n, classes] of the Keras model."""
    import keras

    batches = track(batched(images), "Keras")
    return np.concatenate([np.asarray(keras.tree.flatten(network(batch, training=False))[0]) for batch in batches])


def onnx_logits(graph: Path | bytes, images: Images) -> Logits:
    """The logits float32 [n, classes] of a graph, by its file or serialized, by ONNX Runtime on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    batches = track(batched(images), "ONNX")
    return np.concatenate([session.run([OUTPUT_NAME], {INPUT_NAME: batch})[0] for batch in batches])


def batched(images: Images) -> list[Images]:
    """The images uint8 [n, H, W, C] in batches of up to 64, fewer where they are large."""
    size = max(1, min(BATCH_IMAGES, BATCH_PIXELS // (images.shape[1] * images.shape[2])))
    return [images[start : start + size] for start in range(0, len(images), size)]


def argmax_differences(received: Logits, expected: Logits, tolerance: float) -> tuple[int, int]:
    """Rows whose argmax differs: (real mismatches, ties).

    A tie: the two classes' `expected` logits lie within `tolerance` times the row's largest magnitude.
    """
    ours, theirs = received.argmax(axis=1), expected.argmax(axis=1)
    rows = np.flatnonzero(ours != theirs)
    gaps = expected[rows, theirs[rows]] - expected[rows, ours[rows]]
    tied = int((gaps <= tolerance * np.abs(expected[rows]).max(axis=1)).sum()) if len(rows) else 0
    return len(rows) - tied, tied
