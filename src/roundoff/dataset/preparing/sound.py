"""Whether prepared files are what their manifest says: nothing is trained or measured on others."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roundoff.errors import DataError
from roundoff.results.preparation import Manifest
from roundoff.system.arrays import mapped_array, unreadable
from roundoff.system.files import sha256_of

WRITER = "prepare"
FILES = tuple(f"{split}_{kind}.npy" for split in ("train", "test") for kind in ("images", "labels"))
GREY = 255.0


def faults(manifest: Manifest) -> Iterator[str]:
    """What cannot be about a manifest, each in words; what it does not tell is left alone."""
    if len(set(manifest.names)) != len(manifest.classes) or not manifest.classes:
        yield f"classes {manifest.classes}, not one or more, each once"
    shape = manifest.shape
    if shape and (len(shape) != 3 or min(shape) < 1):
        yield f"shape {shape}, which is no height, width and channels"
    for name in ("channel_mean", "channel_std"):
        for values in (getattr(manifest, name), getattr(manifest.test, name)):
            if values and (len(values) != len(values if not shape else range(shape[-1])) or not _grey(values)):
                yield f"{name} {values}, not a number from 0 to 255 for each channel"
    yield from _of_counts(manifest)
    if manifest.class_counts.train or manifest.class_counts.test:
        yield from _of_prepare(manifest)


def _of_prepare(manifest: Manifest) -> Iterator[str]:
    """What a manifest lacks that tells as much as prepare's: a script's may have neither hashes nor sizes."""
    if missing := [name for name in FILES if name not in manifest.hashes]:
        yield f"no hash of {missing[0]}"
    if not manifest.shape:
        yield "no shape"
    if len(manifest.duplicates.train_indices) != manifest.duplicates.count:
        yield f"duplicates of {manifest.duplicates.count}, and {len(manifest.duplicates.train_indices)} train_indices"


def _grey(values: list[float]) -> bool:
    return all(0 <= value <= GREY for value in values)


def _of_counts(manifest: Manifest) -> Iterator[str]:
    for split in ("train", "test"):
        total, counts = getattr(manifest.counts, split), getattr(manifest.class_counts, split)
        if total == 0:
            yield f"no {split} images"
        if counts and (list(counts) != list(manifest.names) or sum(counts.values()) != total or 0 in counts.values()):
            yield f"class_counts.{split} {counts}, which are not {total} images of all {len(manifest.classes)} classes"


def index_faults(manifest: Manifest) -> Iterator[str]:
    """What cannot be about the calibration indices of a manifest, each in words."""
    duplicates, chosen = manifest.duplicates, manifest.calibration_indices or []
    most = manifest.counts.train if manifest.counts.train is not None else np.inf
    if duplicates.train_indices and len(duplicates.train_indices) != duplicates.count:
        yield f"{len(duplicates.train_indices)} duplicates.train_indices, and a count of {duplicates.count}"
    for name, indices in (("calibration_indices", chosen), ("duplicates.train_indices", duplicates.train_indices)):
        if indices and (len(set(indices)) != len(indices) or min(indices) < 0 or max(indices) >= most):
            yield f"{name} that are not indices of {most} training images, each once"
    if common := set(chosen) & set(duplicates.train_indices):
        yield f"calibration_indices with {min(common)}, an image of the test split"


def images_and_labels(directory: Path, split: str, manifest: Manifest) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """A split's arrays, the images memory-mapped; DataError unless they are those that the manifest describes."""
    images_path, labels_path = directory / f"{split}_images.npy", directory / f"{split}_labels.npy"
    images = mapped_array(images_path, "uint8", 4, WRITER)
    labels = np.array(mapped_array(labels_path, "int64", 1, WRITER))
    shape, count = tuple(manifest.shape or images.shape[1:]), getattr(manifest.counts, split)
    wanted = len(images) if count is None else count
    if images.shape != (wanted, *shape) or len(labels) != wanted or not wanted:
        received = f"{list(images.shape)} images and {len(labels)} labels"
        raise unreadable(images_path, received, f"{wanted} of each, images of {list(shape)}, as manifest.json", WRITER)
    if not 0 <= labels.min() <= labels.max() < len(manifest.classes):
        received = f"labels from {labels.min()} to {labels.max()}"
        raise unreadable(labels_path, received, f"classes 0 to {len(manifest.classes) - 1}", WRITER)
    for path in (images_path, labels_path):
        _require_content(path, manifest)
    return images, labels


def _require_content(path: Path, manifest: Manifest) -> None:
    told, at = manifest.hashes.get(path.name), path.stat()
    if told is not None and told != _hash(path, at.st_mtime_ns, at.st_size, at.st_ino):
        raise DataError(
            f"{path} has changed since it was prepared",
            received=f"another SHA-256 than {told}",
            expected=f"the content that manifest.json names, as the {WRITER} stage writes both",
            fix=f"run it again: `dvc repro -f {WRITER}`; images of your own belong into a dataset's folder",
        )


@lru_cache(maxsize=64)
def _hash(path: Path, *_: int) -> str:
    """SHA-256 of a file, once in a process as long as it stays the same."""
    return sha256_of(path)
