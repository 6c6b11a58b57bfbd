"""Whether a model runs on the dataset's images, and answers for each as if it were alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from roundoff.errors import DataError
from roundoff.model.taking.fitting import words
from roundoff.system.said import said

# Of the answers' norm: far above what float16 rounds, far below what a batch's own mean and deviation change.
TOLERANCE = 0.1


def require_independent(
    path: Path, answers: Callable[[Any], Any], shape: tuple[int, int, int], takes_pixels: bool
) -> None:
    """DataError unless two images [*shape] at once get the `answers` that they get one by one."""
    images = np.random.default_rng(0).integers(0, 256, (2, *shape)).astype("uint8" if takes_pixels else "float32")
    try:
        first, second, both = (np.asarray(answers(part), np.float64) for part in (images[:1], images[1:], images))
    except Exception as error:  # Keras and TensorFlow raise whatever the layers do
        raise _does_not_run(path, said(error)[:500], shape) from error
    if not np.isfinite(both).any():  # some CPUs' kernels take images that are too small, and average over nothing
        raise _does_not_run(path, "answers without one finite number", shape)
    difference = _relative(np.concatenate([first, second]), both)
    if difference > TOLERANCE:
        raise DataError(
            f"{path} does not answer for each image alone",
            received=f"two images at once get other answers than one by one: a relative difference of {difference:.1e}",
            expected="the same answers whatever else is in the batch, and no chance in them",
            fix="save the model for inference: base(x, training=False) for what is inside it, no statistics of the "
            "batch, no Dropout that stays on",
        )


def _does_not_run(path: Path, received: str, shape: tuple[int, int, int]) -> DataError:
    return DataError(
        f"{path} does not run on the dataset's images",
        received=received,
        expected=f"a model that answers for images {words(shape)}",
        fix="prepare images of the size that it was trained on (dataset.size); where these are, repair the layer "
        "that is named, and save the model again",
    )


def _relative(wanted: Any, got: Any) -> float:
    if wanted.shape != got.shape:
        return float("inf")
    return float(np.linalg.norm(got - wanted) / max(float(np.linalg.norm(wanted)), 1e-6))
