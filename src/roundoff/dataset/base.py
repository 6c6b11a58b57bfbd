"""What a dataset is: a labelled train and test split of uint8 images, prepared once into memory-mapped arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from roundoff.dataset.preparing.sound import WRITER, faults, images_and_labels, index_faults
from roundoff.errors import DataError
from roundoff.results.preparation import Manifest, manifest_from
from roundoff.system.arrays import unreadable
from roundoff.system.files import read_json, sha256_of

SplitName = Literal["train", "test"]
Images = NDArray[np.uint8]
Labels = NDArray[np.int64]
MANIFEST = "manifest.json"
WATCHED_BY_DEFAULT = "src/roundoff/dataset/base.py"


@dataclass(frozen=True)
class Split:
    """Images uint8 [N, H, W, C] (memory-mapped) and labels int64 [N]."""

    images: Images
    labels: Labels


@dataclass(frozen=True)
class Dataset(ABC):
    """A source of images. A subclass is a frozen dataclass whose fields are its YAML's keys.

    `watch` is the file or folder that the images come from: stage prepare depends on it in dvc.yaml, so that other
    images are prepared anew. It is one path, since DVC takes no list there; of sources in several places, a folder
    above them. A YAML that does not name it has conf/config.yaml's.
    """

    watch: str = field(default=WATCHED_BY_DEFAULT, kw_only=True)

    def require_source(self) -> None:  # noqa: B027 - most have nothing to look for
        """Raise DataError where the images are not there, before DVC calls `watch` a missing dependency."""

    @abstractmethod
    def open(self) -> OpenDataset:
        """Check the source (paths, hashes, classes) and return it ready to be read; raises DataError."""


class OpenDataset(ABC):
    """A checked source: its classes, its size, and its images in a fixed order. A context manager.

    `source` says what was read (name, hash, options) without any absolute path, so that the same images give
    the same manifest on every machine.
    """

    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    source: dict[str, object]

    @abstractmethod
    def count(self, split: SplitName) -> int:
        """Number of images in the split."""

    @abstractmethod
    def read(self, split: SplitName) -> Iterator[tuple[Images, int]]:
        """Images uint8 [H, W, C] with their labels, one at a time, always in the same order; raises DataError."""

    def names(self, split: SplitName) -> list[str] | None:
        """What the split's images are called, in their order; None where they go by index alone."""
        return None

    def close(self) -> None:  # noqa: B027 - nothing to free by default
        """Free what `open` took; closing twice is harmless."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True)
class Prepared:
    """A prepared dataset on disk: four .npy files and manifest.json in one directory."""

    directory: Path

    @property
    def manifest(self) -> Manifest:
        """Classes, counts, channel statistics, hashes, seed and calibration indices; DataError for what cannot be."""
        path = self.directory / MANIFEST
        if not path.is_file():
            raise unreadable(path, "no such file", f"{MANIFEST} beside the arrays", WRITER)
        manifest = manifest_from(read_json(path), str(path))
        if wrong := next(faults(manifest), None):
            raise unreadable(path, wrong, "what the prepare stage writes of its images", WRITER)
        return manifest

    @property
    def sha256(self) -> str:
        """SHA-256 of manifest.json, which has those of the arrays and of what they were read from."""
        return sha256_of(self.directory / "manifest.json")

    def split(self, name: SplitName) -> Split:
        """One split, images memory-mapped read-only; DataError where its files are not those of the manifest."""
        return Split(*images_and_labels(self.directory, name, self.manifest))

    @property
    def pool(self) -> int:
        """How many images calibration may ask for."""
        return len(self.manifest.calibration_indices or [])

    def calibration_indices(self, count: int) -> NDArray[np.int64]:
        """The first `count` of the manifest's stratified, seeded indices into the training split.

        Raises DataError if the manifest's pool is smaller, or holds what are no such indices.
        """
        manifest = self.manifest
        if wrong := next(index_faults(manifest), None):
            raise unreadable(self.directory / MANIFEST, wrong, "indices as the prepare stage draws them", WRITER)
        pool = manifest.calibration_indices or []
        if count > len(pool):
            raise DataError(
                f"{self.directory} holds too few calibration images",
                received=f"calibrate.images={count}",
                expected=f"at most {len(pool)}",
                fix=f"set calibrate.images={len(pool)} or fewer, "
                "or raise prepare.calibration_pool if the training split has more",
            )
        return np.asarray(pool[:count], dtype=np.int64)

    def calibration_images(self, count: int) -> Images:
        """Images uint8 [count, H, W, C] at `calibration_indices(count)`, in memory."""
        return self.split("train").images[self.calibration_indices(count)]
