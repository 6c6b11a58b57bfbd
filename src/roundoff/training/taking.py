"""A trained model of one's own, taken: into models/trained/, with its accuracy on held-out training images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roundoff.dataset.base import Images, Prepared
from roundoff.model.base import Taken, TakenModel
from roundoff.model.taking.classes import class_names
from roundoff.model.taking.preprocessing import Preprocessing
from roundoff.results.preparation import TakenMetrics
from roundoff.system.progress import track
from roundoff.training.preprocessings import (
    LEAST_GAIN,
    MOST_IMAGES,
    Finding,
    Indices,
    better_preprocessing,
    candidates,
    other_order,
)
from roundoff.training.trained import describe

# What is computed at once: some runtimes hold all of a network's activations until the last is there.
BATCH_IMAGES, BATCH_PIXELS = 64, 1 << 17


def take(model: TakenModel, prepared: Prepared, held_out: NDArray[np.int64], directory: Path) -> TakenMetrics:
    """Write the model into `directory`, and return what the metrics say of it: its accuracy on `held_out` images.

    Raises what `TakenModel.open` does, and GateError where another preprocessing, or another order of the classes, is
    clearly better.
    """
    manifest, data = prepared.manifest, prepared.split("train")
    height, width, channels = data.images.shape[1:]
    classes = manifest.names
    chosen = np.random.default_rng(0).permutation(held_out)[:MOST_IMAGES]  # in no order of classes
    labels = data.labels[chosen]
    opened = model.open((height, width, channels), classes)
    own = model.preprocessing
    taken = opened.with_preprocessing(own)
    predicted = answers(taken, data.images, chosen)
    right = predicted == labels
    if model.check_preprocessing:

        def tried(each: Preprocessing, some: Indices) -> NDArray[np.int64]:
            return answers(opened.with_preprocessing(each), data.images, some)

        others = candidates(own, channels, opened.takes_pixels)
        named = class_names(model.classes) or classes
        fed = better_preprocessing(own, right, others, tried, chosen, labels)
        _refuse(fed, other_order(predicted, labels, classes, named))
    describe(directory, taken.save(directory), own, class_names(model.classes))
    return TakenMetrics(model=model.title, val_accuracy=float(right.mean()), epochs=0, validation_images=len(chosen))


def _refuse(fed: Finding | None, order: Finding | None) -> None:
    """Raise the error of another preprocessing, or of another order of classes where that alone tells much more."""
    if order and (fed is None or order.accuracy > fed.accuracy + LEAST_GAIN):
        raise order.error
    if fed:
        raise fed.error


def answers(taken: Taken, images: Images, chosen: Indices) -> NDArray[np.int64]:
    """The class int64 [n] that the model gives each of the `chosen` images, of uint8 [N, H, W, C] on disk."""
    size = max(1, min(BATCH_IMAGES, BATCH_PIXELS // (images.shape[1] * images.shape[2])))
    batches = [chosen[start : start + size] for start in range(0, len(chosen), size)]
    classes = [taken.logits(images[batch]).argmax(axis=1) for batch in track(batches, "taken model")]
    return np.concatenate([np.zeros(0, np.int64), *classes])
