"""The images that effects are measured on: training images that calibration did not look at, never the test split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from roundoff.calibration.base import Calibrator
from roundoff.calibration.observing.calibrate import image_indices
from roundoff.dataset.base import Images, Prepared
from roundoff.dataset.preparing.duplicated import image_hash
from roundoff.errors import DataError

FEWEST = 64
"""Images without which no interval tells anything."""


def unused_images(prepared: Prepared, calibrator: Calibrator, count: int) -> Images:
    """At most `count` training images, uint8 [n, H, W, C], that neither chose a range nor are in the test split."""
    used = image_indices(calibrator, prepared, len(prepared.split("train").labels))
    return training_images(prepared, held_out_indices(prepared, np.concatenate(used), count))


def held_out_indices(prepared: Prepared, used: Sequence[int] | NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """At most `count` indices into the training split, spread evenly over what is left of it; raises DataError.

    Left are images that are not `used` and whose pixels are not in the test split.
    """
    total = len(prepared.split("train").labels)
    rest = np.setdiff1d(np.arange(total), [*used, *prepared.manifest.duplicates.train_indices])
    if len(rest) < FEWEST:
        raise DataError(
            "too few training images are left to measure sensitivity on",
            received=f"{len(rest)} of {total} that calibration does not use",
            expected=f"{FEWEST} or more",
            fix="lower calibrate.images or calibrate.held_out",
        )
    spread = np.linspace(0, len(rest), min(count, len(rest)), endpoint=False).astype(np.int64)
    picked: NDArray[np.int64] = rest[spread]
    return picked


def training_images(prepared: Prepared, indices: NDArray[np.int64]) -> Images:
    """The images uint8 [n, H, W, C] at these indices of the training split, none of which is in the test split.

    Raises DataError where one is, byte for byte: what is chosen by test images cannot be judged by them.
    """
    images = np.ascontiguousarray(prepared.split("train").images[indices])
    hashes = [image_hash(image) for image in images]
    of_test = set(hashes).intersection(map(image_hash, prepared.split("test").images))
    known = [int(index) for index, image in zip(indices, hashes, strict=True) if image in of_test]
    if known:
        raise DataError(
            "test images would choose what is left in float",
            received=f"{len(known)} of {len(images)} images are in the test split (first: training image {known[0]})",
            expected="training images alone",
            fix="prepare the data set again: `dvc repro -f prepare`",
        )
    return images
