"""A trained model of one's own, taken: into models/trained/, with its accuracy on held-out training images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roundoff.dataset.base import Images, Prepared
from roundoff.model.base import Logits, Taken, TakenModel
from roundoff.system.progress import track
from roundoff.training.trained import describe

# What is computed at once: some runtimes hold all of a network's activations until the last is there.
BATCH_IMAGES, BATCH_PIXELS = 64, 1 << 17


def take(model: TakenModel, prepared: Prepared, held_out: NDArray[np.int64], directory: Path) -> dict[str, Any]:
    """Write the model into `directory`, and return what the metrics say of it: its accuracy on `held_out` images.

    Raises what `TakenModel.open` does, and GateError where another preprocessing is clearly better.
    """
    manifest, data = prepared.manifest, prepared.split("train")
    height, width, channels = data.images.shape[1:]
    opened = model.open((height, width, channels), tuple(manifest["classes"]))
    model.preprocessing.require_fit(channels, opened.takes_pixels)
    taken = opened.with_preprocessing(model.preprocessing)
    right = answers(taken, data.images[held_out]) == data.labels[held_out]
    describe(directory, {**taken.save(directory), "trained": False, "preprocessing": model.preprocessing.facts()})
    return {"val_accuracy": float(right.mean()), "epochs": 0, "validation_images": len(held_out)}


def answers(taken: Taken, images: Images) -> NDArray[np.int64]:
    """The class int64 [n] that the model gives each image uint8 [n, H, W, C]."""
    logits: list[Logits] = [taken.logits(batch) for batch in track(batched(images), "taken model")]
    return np.asarray(np.concatenate(logits).argmax(axis=1), np.int64)


def batched(images: Images) -> list[Images]:
    """The images in batches of up to 64, fewer where they are large."""
    size = max(1, min(BATCH_IMAGES, BATCH_PIXELS // (images.shape[1] * images.shape[2])))
    return [images[start : start + size] for start in range(0, len(images), size)]
