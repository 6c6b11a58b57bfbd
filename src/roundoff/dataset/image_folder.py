"""Your own images: a directory or a zip with train/CLASS/ and test/CLASS/."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roundoff.dataset.base import WATCHED_BY_DEFAULT, Dataset, Images, OpenDataset, SplitName
from roundoff.dataset.preparing.frame import check_channels, height_width
from roundoff.dataset.reading.decode import UNDECODABLE, decoded
from roundoff.dataset.reading.tree import Tree, broken_image, open_tree, require_there
from roundoff.errors import ConfigError, DataError
from roundoff.pipeline.limits import MOST_PIXELS
from roundoff.system.plain_files import require_plain

SPLITS: tuple[SplitName, ...] = ("train", "test")


@dataclass(frozen=True)
class ImageFolder(Dataset):
    """Images below `path`, in colour (`channels` 3) or gray (1), resized (bilinear, aspect ratio not kept) to `size`.

    `size` is one number of pixels, or a list of height and width. EXIF's orientation is applied, transparency laid over
    white, the first of several frames taken; images of more than 8 bits or 50 million pixels, and JPEGs that are cut
    off, are refused.

    The classes are the names of train's folders, sorted; images come class by class, sorted by name.
    """

    path: str
    size: Any = 32
    channels: int = 3

    def __post_init__(self) -> None:
        if not self.path:
            raise ConfigError(
                "dataset.path is empty",
                received=repr(self.path),
                expected="a directory or a zip with train/CLASS/ and test/CLASS/",
                fix="set dataset.path=PATH",
            )
        height_width(self.size, 1, MOST_PIXELS)
        check_channels(self.channels)
        self._check_watched()

    def _check_watched(self) -> None:
        """DVC would not see a change of images that it does not watch."""
        watched = self.watch != WATCHED_BY_DEFAULT  # else made by hand, without DVC
        if watched and not Path(os.path.abspath(self.path)).is_relative_to(os.path.abspath(self.watch)):  # noqa: PTH100
            raise ConfigError(
                "dataset.watch does not cover dataset.path",
                received=f"dataset.watch={self.watch}, dataset.path={self.path}",
                expected="the same path, or a folder above it",
                fix=f"set dataset.watch={self.path}, or leave it out",
            )

    def require_source(self) -> None:
        require_there(Path(self.path))
        if self.watch != WATCHED_BY_DEFAULT:
            require_plain(Path(self.watch))

    def open(self) -> OpenDataset:
        """List all images and check the classes of both splits; no image is decoded yet."""
        tree = open_tree(Path(self.path))
        try:
            return _OpenImageFolder(tree, (*height_width(self.size, 1, MOST_PIXELS), self.channels))
        except DataError:
            tree.close()
            raise


class _OpenImageFolder(OpenDataset):
    def __init__(self, tree: Tree, shape: tuple[int, int, int]) -> None:
        self._tree, self.shape = tree, shape
        self.classes = _classes(tree)
        names = hashlib.sha256()
        self._counts = {split: self._counted(split, names) for split in SPLITS}
        self.source = {"dataset": "image folder", "size": list(shape), "names_sha256": names.hexdigest()}
        if tree.sha256:
            self.source["sha256"] = tree.sha256

    def _counted(self, split: SplitName, names: hashlib._Hash) -> int:
        count = 0
        for folder in self.classes:
            files = self._tree.files(split, folder)
            if not files:
                raise DataError(
                    f"{self._tree.path}/{split}/{folder} is an empty class",
                    received="no image; hidden files and what desktops leave do not count",
                    expected="at least one image per class in train/ and in test/",
                    fix="add images, or remove the class from both splits",
                )
            names.update("".join(f"{split}/{folder}/{file}\n" for file in files).encode("utf-8", "surrogateescape"))
            count += len(files)
        return count

    def count(self, split: SplitName) -> int:
        return self._counts[split]

    def names(self, split: SplitName) -> list[str]:
        return [f"{folder}/{file}" for folder in self.classes for file in self._tree.files(split, folder)]

    def read(self, split: SplitName) -> Iterator[tuple[Images, int]]:
        for label, folder in enumerate(self.classes):
            for file in self._tree.files(split, folder):
                encoded = self._tree.read(split, folder, file)
                try:
                    yield decoded(encoded, *self.shape), label
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
    _require_shown(tree, train)
    if len(train) < 2:
        raise DataError(
            f"{tree.path} has a single class",
            received=train[0],
            expected="at least two classes",
            fix="add train/CLASS/ and test/CLASS/ of another class",
        )
    return tuple(train)


def _require_shown(tree: Tree, classes: list[str]) -> None:
    """Raise DataError where no report can hold a class's name: control characters, or what is not UTF-8."""
    for name in classes:
        if {unicodedata.category(letter) for letter in name} & {"Cc", "Cs", "Zl", "Zp"}:
            raise DataError(
                f"{tree.path}: the name of a class folder cannot be shown",
                received=ascii(name),
                expected="letters in UTF-8, and no control characters",
                fix="rename that folder in train/ and in test/",
            )


def _names(here: list[str], there: list[str]) -> str:
    return ", ".join(sorted(set(here) - set(there))) or "none"
