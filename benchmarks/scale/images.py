"""Images by the million without a file each: a faint pattern per class under noise, made as they are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roundoff.dataset.base import Dataset, Images, OpenDataset, SplitName

CELLS = 4
"""A pattern has so many even squares a side."""
CHANNELS = 3
FAINT, NOISE = 16, 240
"""Levels of the pattern, and of the noise on it; together they fill 8 bits."""
BLOCK_BYTES = 2**21


@dataclass(frozen=True)
class Synthetic(Dataset):
    """`images` of `size` pixels a side in `classes`, which take turns; every other one is for training."""

    images: int = 10_000
    size: int = 32
    classes: int = 10
    seed: int = 0

    def open(self) -> OpenDataset:
        return OpenSynthetic(self)


class OpenSynthetic(OpenDataset):
    """The same images at every reading."""

    def __init__(self, about: Synthetic) -> None:
        self.about = about
        self.classes = tuple(map(str, range(about.classes)))
        self.shape = (about.size, about.size, CHANNELS)
        self.source = {"dataset": "synthetic", **{name: getattr(about, name) for name in ("images", "size", "seed")}}

    def count(self, split: SplitName) -> int:
        return self.about.images // 2

    def read(self, split: SplitName) -> Iterator[tuple[Images, int]]:
        known, count = patterns(self.about.classes, self.about.seed), self.count(split)
        step = max(1, BLOCK_BYTES // (CHANNELS * self.about.size**2))
        for first in range(0, count, step):
            labels = np.arange(first, min(count, first + step)) % self.about.classes
            random = np.random.default_rng((self.about.seed, split == "test", first))
            yield from zip(self._block(known[labels], random), labels.tolist(), strict=True)

    def _block(self, faint: Images, random: np.random.Generator) -> Images:
        """Images uint8 [n, size, size, 3] of patterns uint8 [n, CELLS, CELLS, 3]."""
        side = self.about.size // CELLS
        images: Images = random.integers(0, NOISE, (len(faint), *self.shape), dtype=np.uint8)
        images += faint.repeat(side, axis=1).repeat(side, axis=2)
        return images


def patterns(classes: int, seed: int) -> NDArray[np.uint8]:
    """Of each class, uint8 [classes, CELLS, CELLS, 3]."""
    random = np.random.default_rng((seed, classes))
    return random.integers(0, FAINT, (classes, CELLS, CELLS, CHANNELS), dtype=np.uint8)


def write_files(images: int, folder: Path, seed: int = 0) -> None:
    """As many images of ten classes as PNG files in folders, as dataset=image_folder reads them."""
    from PIL import Image

    opened = Synthetic(images=images, seed=seed).open()
    splits: tuple[SplitName, ...] = ("train", "test")
    for split in splits:
        for name in opened.classes:
            (folder / split / name).mkdir(parents=True, exist_ok=True)
        for number, (image, label) in enumerate(opened.read(split)):
            Image.fromarray(image).save(folder / split / str(label) / f"{number:07}.png", compress_level=1)
