"""Your own images: a directory or a zip with train/CLASS/ and test/CLASS/."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from roundoff.dataset.base import Dataset, Images, OpenDataset, SplitName
from roundoff.dataset.reading.tree import Tree, broken_image, open_tree
from roundoff.errors import ConfigError, DataError
from roundoff.pipeline.limits import MOST_PIXELS

SPLITS: tuple[SplitName, ...] = ("train", "test")
# Only these of Pillow's decoders meet a stranger's file: others start programs, such as Ghostscript for EPS.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
UNDECODABLE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


@dataclass(frozen=True)
class ImageFolder(Dataset):
    """Images below `path`, as RGB, resized (bilinear, aspect ratio not kept) where they are not size×size.

    The classes are the names of train's folders, sorted; images come class by class, sorted by name.
    """

    path: str
    size: int = 32

    def __post_init__(self) -> None:
        if not self.path:
            raise ConfigError(
                "dataset.path is empty",
                received=repr(self.path),
                expected="a directory or a zip with train/CLASS/ and test/CLASS/",
                fix="set dataset.path=PATH",
            )
        if not 1 <= self.size <= MOST_PIXELS:
            raise ConfigError(
                "dataset.size is not a size",
                received=self.size,
                expected=f"1 pixel or more, at most {MOST_PIXELS}",
                fix="set dataset.size=32",
            )

    def open(self) -> OpenDataset:
        """List all images and check the classes of both splits; no image is decoded yet."""
        tree = open_tree(Path(self.path))
        try:
            return _OpenImageFolder(tree, self.size)
        except DataError:
            tree.close()
            raise


class _OpenImageFolder(OpenDataset):
    def __init__(self, tree: Tree, size: int) -> None:
        self._tree, self._size = tree, size
        self.shape = (size, size, 3)
        self.classes = _classes(tree)
        names = hashlib.sha256()
        self._counts = {split: self._counted(split, names) for split in SPLITS}
        self.source = {"dataset": "image folder", "size": size, "names_sha256": names.hexdigest(), **tree.source}

    def _counted(self, split: SplitName, names: hashlib._Hash) -> int:
        count = 0
        for folder in self.classes:
            files = self._tree.files(split, folder)
            if not files:
                raise DataError(
                    f"{self._tree.path}/{split}/{folder} is an empty class",
                    received="no image",
                    expected="at least one image per class in train/ and in test/",
                    fix="add images, or remove the class from both splits",
                )
            names.update("".join(f"{split}/{folder}/{file}\n" for file in files).encode("utf-8", "surrogateescape"))
            count += len(files)
        return count

    def count(self, split: SplitName) -> int:
        return self._counts[split]

    def read(self, split: SplitName) -> Iterator[tuple[Images, int]]:
        for label, folder in enumerate(self.classes):
            for file in self._tree.files(split, folder):
                encoded = self._tree.read(split, folder, file)
                try:
                    yield _pixels(encoded, self._size), label
                except UNDECODABLE as error:
                    raise broken_image(self._tree.path, f"{split}/{folder}/{file}", error) from error

    def close(self) -> None:
        self._tree.close()


def _classes(tree: Tree) -> tuple[str, ...]:
    """The names of train's folders, which must be test's too."""
    train, test = tree.folders("train"), tree.folders("test")
    if not train or not test:
        missing = " and ".join(f"{split}/" for split, folders in (("train", train), ("test", test)) if not folders)
        raise DataError(
            f"{tree.path} has no images: no class folder in {missing}",
            received=f"at the top: {', '.join(tree.top()[:10]) or 'nothing'}",
            expected="train/CLASS/ and test/CLASS/",
            fix="set dataset.path to what holds train/ and test/ themselves",
        )
    if train != test:
        raise DataError(
            f"{tree.path}: train/ and test/ have different classes",
            received=f"only in train: {_names(train, test)}; only in test: {_names(test, train)}",
            expected="the same class folders in both",
            fix="rename, add or remove class folders",
        )
    if len(train) < 2:
        raise DataError(
            f"{tree.path} has a single class",
            received=train[0],
            expected="at least two classes",
            fix="add train/CLASS/ and test/CLASS/ of another class",
        )
    return tuple(train)


def _names(here: list[str], there: list[str]) -> str:
    return ", ".join(sorted(set(here) - set(there))) or "none"


def _pixels(encoded: bytes, size: int) -> Images:
    """RGB uint8 [size, size, 3] of an encoded image; raises one of UNDECODABLE."""
    with Image.open(io.BytesIO(encoded), formats=FORMATS) as image:
        if image.mode in {"I", "F"} or image.mode.startswith("I;"):
            raise ValueError(f"its pixels are not 8-bit (Pillow mode {image.mode})")
        rgb = image.convert("RGB")
    if rgb.size != (size, size):
        rgb = rgb.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(rgb)
