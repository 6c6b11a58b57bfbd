"""Prepare a dataset once: stream it into .npy files that can be memory-mapped, with a manifest of what they hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from roundoff.dataset.base import Dataset, Images, Labels, OpenDataset, SplitName
from roundoff.dataset.preparing.duplicated import Duplicated
from roundoff.dataset.preparing.pixels import PixelStatistics
from roundoff.dataset.preparing.slices import sliced
from roundoff.dataset.preparing.stratified import stratified_indices
from roundoff.errors import ConfigError, DataError
from roundoff.pipeline.limits import MOST_IMAGES, check_seed
from roundoff.results.checked import as_json
from roundoff.results.preparation import ChannelStatistics, ClassCounts, Counts, Duplicates, Manifest
from roundoff.system import own
from roundoff.system.arrays import write_head
from roundoff.system.files import sha256_of, whole_directory, write_json, write_text
from roundoff.system.progress import track


@dataclass(frozen=True)
class Preparation:
    """How to prepare: the seed, and how many calibration indices to draw (fewer if the training split is smaller).

    `slices` is a CSV file of the test images, by whose columns accuracy is looked at beside the classes.
    """

    seed: int
    calibration_pool: int
    slices: str | None = None

    def __post_init__(self) -> None:
        check_seed("prepare.seed", self.seed)
        if not 1 <= self.calibration_pool <= MOST_IMAGES:
            words = "leaves nothing to calibrate with" if self.calibration_pool < 1 else "is too large"
            raise ConfigError(
                f"prepare.calibration_pool {words}",
                received=self.calibration_pool,
                expected=f"1 or more, at most {MOST_IMAGES}",
                fix="set prepare.calibration_pool=4096",
            )

    def run(self, dataset: Dataset, directory: Path, slices: Path | None = None) -> Manifest:
        """Write both splits and manifest.json into `directory`, the slices' table to `slices`; return the manifest.

        Images are held one at a time; what stays in memory is a hash of 16 bytes per test image.
        `directory` is replaced only once everything is written. Raises DataError.
        """
        with dataset.open() as opened, whole_directory(directory, own.prepared) as partial:
            duplicates = Duplicated(opened.count("test"))
            table = sliced(Path(self.slices) if self.slices else None, opened)
            test = _write_split(opened, "test", partial, duplicates.remember)
            train = _write_split(opened, "train", partial, duplicates.recognise)
            manifest = self._manifest(opened, train, test, duplicates.train_indices())
            write_json(partial / "manifest.json", as_json(manifest))
        if slices is not None:
            write_text(slices, table)
        return manifest

    def _manifest(self, opened: OpenDataset, train: _Written, test: _Written, in_test: list[int]) -> Manifest:
        _require_images_outside_test(train, in_test)
        count = min(self.calibration_pool, len(train.labels) - len(in_test))
        return Manifest(
            classes=list(opened.classes),
            shape=list(opened.shape),
            counts=Counts(train=len(train.labels), test=len(test.labels)),
            class_counts=ClassCounts(train=train.class_counts, test=test.class_counts),
            channel_mean=train.pixels.mean,
            channel_std=train.pixels.standard_deviation,
            test=ChannelStatistics(channel_mean=test.pixels.mean, channel_std=test.pixels.standard_deviation),
            hashes=test.hashes | train.hashes,
            source=opened.source,
            duplicates=Duplicates(count=len(in_test), train_indices=in_test),
            seed=self.seed,
            calibration_indices=stratified_indices(train.labels, count, self.seed, in_test).tolist(),
        )


def require_calibration_images(manifest: Manifest, wanted: int) -> None:
    """Raise DataError, before any training, where calibration could not have `wanted` images and others to check."""
    usable = (manifest.counts.train or 0) - manifest.duplicates.count
    if wanted >= usable:
        raise DataError(
            "there are too few training images to calibrate on",
            received=f"calibrate.images={wanted}, and {usable} training images that are not in the test split",
            expected="fewer than there are: noise is measured on the others",
            fix=f"set calibrate.images={max(1, usable // 2)}, or add training images",
        )


@dataclass(frozen=True)
class _Written:
    """What was learnt about a split while it was written."""

    labels: Labels
    class_counts: dict[str, int]
    pixels: PixelStatistics
    hashes: dict[str, str]


def _write_split(
    opened: OpenDataset, split: SplitName, directory: Path, see: Callable[[int, Images], None]
) -> _Written:
    """Write the split's images and labels, showing each image to `see` with its index."""
    images_path, labels_path = directory / f"{split}_images.npy", directory / f"{split}_labels.npy"
    count, pixels, written = opened.count(split), PixelStatistics(opened.shape[-1]), 0
    # Written rather than memory-mapped: mapped pages would count as this process's memory, all of them.
    with images_path.open("wb") as images, labels_path.open("wb") as labels:
        write_head(images, np.uint8, (count, *opened.shape))
        write_head(labels, np.int64, (count,))
        for image, label in track(opened.read(split), f"prepare {split}", count):
            _require_as_announced(opened, split, written, image, label)
            images.write(image.tobytes())
            labels.write(np.int64(label).tobytes())
            pixels.add(image)
            see(written, image)
            written += 1
    _require_all(opened, split, written)
    stored = np.load(labels_path, mmap_mode="r", allow_pickle=False)
    class_counts = _require_every_class(opened, split, stored)
    return _Written(stored, class_counts, pixels, {path.name: sha256_of(path) for path in (images_path, labels_path)})


def _require_as_announced(opened: OpenDataset, split: SplitName, index: int, image: Images, label: int) -> None:
    """Hold a dataset to its contract, so that no wrong array is ever written."""
    known = 0 <= label < len(opened.classes)
    if image.dtype != np.uint8 or image.shape != opened.shape or not known or index >= opened.count(split):
        raise DataError(
            f"{type(opened).__name__} gave another {split} image {index} than it announced",
            received=f"{image.dtype} {list(image.shape)} of class {label}",
            expected=f"uint8 {list(opened.shape)}, class 0 to {len(opened.classes) - 1}, {opened.count(split)} images",
            fix="if files changed meanwhile, run again; else correct the dataset's class",
        )


def _require_all(opened: OpenDataset, split: SplitName, written: int) -> None:
    """Raise DataError where images are missing."""
    if written < opened.count(split):
        raise _incomplete(opened, split, f"{written} images")


def _require_every_class(opened: OpenDataset, split: SplitName, labels: Labels) -> dict[str, int]:
    """Images per class; raises DataError if a class has none."""
    counts = dict(zip(opened.classes, np.bincount(labels, minlength=len(opened.classes)).tolist(), strict=True))
    empty = [name for name, count in counts.items() if count == 0]
    if empty:
        raise _incomplete(opened, split, f"{len(labels)} images, none of {', '.join(empty)}")
    return counts


def _incomplete(opened: OpenDataset, split: SplitName, received: str) -> DataError:
    return DataError(
        f"the {split} split is incomplete",
        received=received,
        expected=f"{opened.count(split)} images, at least one of each class",
        fix="complete the split, or remove the class from both splits; if files changed meanwhile, run again",
    )


def _require_images_outside_test(train: _Written, in_test: list[int]) -> None:
    if len(in_test) == len(train.labels):
        raise DataError(
            "every training image is also in the test split",
            received=f"{len(in_test)} exact duplicates",
            expected="training images that the test split does not hold",
            fix="give the two splits different images",
        )
