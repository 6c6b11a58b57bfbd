"""Training batches as pure functions of their number: seeded order, seeded augmentation, whatever thread asks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from roundoff.dataset.base import Images, Labels, Split
from roundoff.errors import DataError

Indices = NDArray[np.int64]
Batch = tuple[Images, NDArray[np.float32]]


class Batches(Protocol):
    """A finite list of batches: images uint8 [n, H, W, C] and one-hot labels float32 [n, classes]."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int) -> Batch: ...


@dataclass(frozen=True)
class TrainingBatches:
    """All batches of all epochs: each epoch in its own order, in full batches only, so that a step is compiled once."""

    data: Split
    chosen: Indices
    classes: int
    batch_size: int
    epochs: int
    shift: int
    flip: bool
    seed: int

    @property
    def per_epoch(self) -> int:
        """Batches in an epoch."""
        return max(1, len(self.chosen) // self.batch_size)

    def __len__(self) -> int:
        return self.per_epoch * self.epochs

    def __getitem__(self, number: int) -> Batch:
        epoch, position = divmod(number, self.per_epoch)
        order = shuffled(len(self.chosen), self.seed, epoch)
        batch = self.chosen[order[position * self.batch_size : (position + 1) * self.batch_size]]
        random = np.random.default_rng((self.seed, epoch, position))
        images = augmented(self.data.images, batch, self.shift, self.flip, random)
        return images, one_hot(self.data.labels[batch], self.classes)


@dataclass(frozen=True)
class ValidationBatches:
    """The chosen images once, in order, as they are."""

    data: Split
    chosen: Indices
    classes: int
    batch_size: int

    def __len__(self) -> int:
        return math.ceil(len(self.chosen) / self.batch_size)

    def __getitem__(self, number: int) -> Batch:
        batch = self.chosen[number * self.batch_size : (number + 1) * self.batch_size]
        return self.data.images[batch], one_hot(self.data.labels[batch], self.classes)


def py_dataset(batches: Batches) -> Any:
    """The batches as a keras.utils.PyDataset."""
    import keras

    class Adapter(keras.utils.PyDataset):  # type: ignore[misc]
        def __len__(self) -> int:
            return len(batches)

        def __getitem__(self, number: int) -> Batch:
            return batches[number]

    return Adapter()


def holdout(labels: Labels, fraction: float, seed: int) -> Indices:
    """Sorted indices of `fraction` of every class, at least one image each, drawn with `seed`.

    Raises DataError for a class that would keep no image to train on.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    chosen = []
    for label, count in zip(*np.unique(labels, return_counts=True), strict=True):
        size = max(1, round(fraction * int(count)))
        if size >= count:
            raise DataError(
                f"Class {label} is too small to be split into training and validation images",
                received=f"{count} images, train.validation_fraction={fraction}",
                expected="at least one image on either side",
                fix="add images to the class, or lower train.validation_fraction",
            )
        chosen.append(order[labels[order] == label][:size])
    return np.sort(np.concatenate(chosen)).astype(np.int64)


@lru_cache(maxsize=2)
def shuffled(count: int, seed: int, epoch: int) -> Indices:
    """A permutation of 0 … `count` − 1 for one epoch; read-only, since it is kept for the epoch's next batch."""
    order = np.random.default_rng((seed, epoch)).permutation(count)
    order.flags.writeable = False
    return order


def augmented(images: Images, batch: Indices, shift: int, flip: bool, random: np.random.Generator) -> Images:
    """Copies uint8 [n, H, W, C] of a batch's images, each moved by up to `shift` pixels both ways.

    What moves in from outside the frame is the image's reflection; with `flip`, half of the images are mirrored.
    """
    count, (height, width) = len(batch), images.shape[1:3]
    rows = reflected(np.arange(height) + random.integers(-shift, shift + 1, (count, 1)), height)
    columns = reflected(np.arange(width) + random.integers(-shift, shift + 1, (count, 1)), width)
    if flip:
        columns = np.where(random.random((count, 1)) < 0.5, width - 1 - columns, columns)
    return images[batch[:, None, None], rows[:, :, None], columns[:, None, :]]


def reflected(positions: Indices, size: int) -> Indices:
    """Positions up to `size` − 1 outside 0 … `size` − 1, mirrored at the border pixels back into that range."""
    last = size - 1
    inside: Indices = last - np.abs(last - np.abs(positions))
    return inside


def one_hot(labels: Labels, classes: int) -> NDArray[np.float32]:
    """Labels int64 [n] as float32 [n, classes]."""
    return np.eye(classes, dtype=np.float32)[labels]
