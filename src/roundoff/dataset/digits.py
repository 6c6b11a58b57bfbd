"""scikit-learn's handwritten digits: real images that need no network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from roundoff.dataset.base import Dataset, Images, Labels, OpenDataset, Split, SplitName
from roundoff.dataset.preparing.frame import check_channels, height_width
from roundoff.errors import ConfigError
from roundoff.pipeline.limits import check_seed

BRIGHTEST = 16  # load_digits counts the set pixels of 4×4 blocks
NATIVE_SIZE = 8
LARGEST_SIZE = 1024  # all digits are held in memory: 5.7 GB then


@dataclass(frozen=True)
class Digits(Dataset):
    """1,797 digits of 8×8 pixels in 16 greys, resized (bilinear) to `size`, in a stratified, seeded split.

    `size` is one number of pixels, or a list of height and width; `channels` is 3 (three equal ones) or 1.
    """

    size: Any = 32
    channels: int = 3
    test_fraction: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        height_width(self.size, NATIVE_SIZE, LARGEST_SIZE)
        check_channels(self.channels)
        if not 0.05 <= self.test_fraction <= 0.5:
            raise ConfigError(
                "dataset.test_fraction leaves too few images on one side",
                received=self.test_fraction,
                expected="0.05 to 0.5",
                fix="set dataset.test_fraction=0.2",
            )
        check_seed("dataset.seed", self.seed)

    def open(self) -> OpenDataset:
        """Load, resize and split the digits; they fit into memory (5.5 MB at 32×32)."""
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        digits = load_digits()
        chosen = train_test_split(
            np.arange(len(digits.target)),
            test_size=self.test_fraction,
            stratify=digits.target,
            random_state=self.seed,
        )
        shape = (*height_width(self.size, NATIVE_SIZE, LARGEST_SIZE), self.channels)
        images, labels = _resized(digits.images, shape), digits.target.astype(np.int64)
        train, test = (Split(images[indices], labels[indices]) for indices in chosen)
        source: dict[str, object] = {
            "dataset": "scikit-learn load_digits",
            "size": [*images.shape[1:]],
            "test_fraction": self.test_fraction,
            "seed": self.seed,
        }
        return _OpenDigits({"train": train, "test": test}, tuple(map(str, digits.target_names)), source)


class _OpenDigits(OpenDataset):
    def __init__(self, splits: dict[SplitName, Split], classes: tuple[str, ...], source: dict[str, object]) -> None:
        self._splits, self.classes, self.source = splits, classes, source
        height, width, channels = splits["train"].images.shape[1:]
        self.shape = (height, width, channels)

    def count(self, split: SplitName) -> int:
        return len(self._splits[split].labels)

    def read(self, split: SplitName) -> Iterator[tuple[Images, int]]:
        labels: Labels = self._splits[split].labels
        yield from zip(self._splits[split].images, labels.tolist(), strict=True)


def _resized(greys: np.ndarray[Any, np.dtype[np.float64]], shape: tuple[int, int, int]) -> Images:
    """Images uint8 [N, *shape] of greys [N, 8, 8] in 0..16."""
    from PIL import Image

    height, width, channels = shape
    pixels = np.rint(greys * (255 / BRIGHTEST)).astype(np.uint8)
    resized = [Image.fromarray(each).resize((width, height), Image.Resampling.BILINEAR) for each in pixels]
    return np.repeat(np.stack([np.asarray(each) for each in resized])[..., None], channels, axis=3)
