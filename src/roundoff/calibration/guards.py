"""What calibration refuses or warns of, with numbers: images that are not what the model will see, ranges that mislead.

Every guard returns findings; `enforce` raises CalibrationError for the errors among them. Each limit is a constant
here with its reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from roundoff.calibration.base import TensorRange
from roundoff.dataset.base import Images, Labels
from roundoff.errors import CalibrationError

FEWEST_IMAGES = 32
"""Below it the extremes of a tensor are those of single images."""
SMALLEST_DEVIATION_RATIO = 0.25
"""A standard deviation this far from the test split's, either way, is another scale and no chance of sampling."""
SCALE_ERRORS = 6.0
"""A channel mean may miss the test split's by this many standard errors and `SCALE_MEAN` before a guard warns."""
SCALE_MEAN = 0.1
"""Fraction of the test split's standard deviation; smaller shifts do not move a range."""
SMALLEST_TINT = 1.0
"""Grey levels between a channel's mean and all channels' mean, below which red and blue cannot be told apart."""


@dataclass(frozen=True)
class Finding:
    """One guard's result: an error or a warning, in words with numbers."""

    guard: str
    level: Literal["error", "warning"]
    message: str


def check_pixels(images: NDArray[np.generic], expected: Mapping[str, Any]) -> list[Finding]:
    """Compare pixels [n, H, W, C] with the manifest's `channel_mean` and `channel_std` of the test split, 0 to 255.

    Wrong type or scale is an error; swapped channels and shifted means are warnings.
    """
    wrong_type = _type(images)
    if wrong_type:
        return wrong_type
    mean, deviation = channel_statistics(images)
    test_mean = np.asarray(expected["channel_mean"], np.float64)
    test_deviation = np.asarray(expected["channel_std"], np.float64)
    if len(mean) != len(test_mean):
        return [Finding("channels", "error", f"{len(mean)} channels, the test split has {len(test_mean)}")]
    return _scale(mean, deviation, test_mean, test_deviation) or _means(
        mean, test_mean, test_deviation, _image_errors(images)
    )


def check_coverage(labels: Labels, classes: int, images: int) -> list[Finding]:
    """Few images and missing classes are warnings; a single class of several is an error."""
    found = []
    if images < FEWEST_IMAGES:
        found.append(
            Finding(
                "count", "warning", f"{images} calibration images; ranges rest on single images below {FEWEST_IMAGES}"
            )
        )
    present = len(np.unique(labels))
    if present == 1 < classes:
        message = f"all {images} calibration images are of class {int(labels[0])}; the model knows {classes} classes"
        found.append(Finding("classes", "error", message))
    elif present < classes:
        found.append(Finding("classes", "warning", f"{present} of {classes} classes are among the calibration images"))
    return found


def check_duplicates(images: Images, test: Images) -> list[Finding]:
    """Calibration images that are, byte for byte, in the test split: an error, since they flatter its accuracy."""
    known = {_digest(image) for image in test}
    hits = [index for index, image in enumerate(images) if _digest(image) in known]
    if not hits:
        return []
    message = f"{len(hits)} of {len(images)} calibration images are in the test split (first: number {hits[0]})"
    return [Finding("test images", "error", message)]


def check_ranges(ranges: Mapping[str, TensorRange], max_clipped_percent: float) -> list[Finding]:
    """Dead (all zero) and constant tensors; ranges that clip more than `max_clipped_percent` of nonzero values."""
    found = []
    for name, seen in ranges.items():
        percent = 100 * seen.clipped_fraction
        if seen.seen_low == seen.seen_high == 0:
            found.append(Finding("dead", "warning", f"{name} is 0 on every calibration image"))
        elif seen.seen_low == seen.seen_high:
            found.append(Finding("constant", "warning", f"{name} is {seen.seen_low:g} on every calibration image"))
        elif percent > max_clipped_percent:
            message = f"{name}: [{seen.low:.4g}, {seen.high:.4g}] clips {percent:.2f} % of its nonzero values"
            found.append(Finding("clipping", "warning", f"{message}, more than {max_clipped_percent:g} %"))
    return found


def enforce(findings: list[Finding]) -> None:
    """Raise CalibrationError naming every error among the findings."""
    errors = [f"{finding.guard}: {finding.message}" for finding in findings if finding.level == "error"]
    if errors:
        raise CalibrationError(
            "the calibration images must not be used",
            received="; ".join(errors),
            expected="raw uint8 training images like the test split's, of all classes, none of them a test image",
            fix="run the prepare stage again, or correct the images; rescaling belongs into the model's graph",
        )


def channel_statistics(images: NDArray[np.generic]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation per channel, float64 [C], of images [n, H, W, C]; one image in memory at a time."""
    sums = np.zeros((2, images.shape[-1]))
    for image in images:
        pixels = np.asarray(image, np.float64).reshape(-1, images.shape[-1])
        sums += np.stack([pixels.sum(0), np.square(pixels).sum(0)])
    mean, square = sums / (images.size / images.shape[-1])
    return mean, np.sqrt(np.maximum(square - mean * mean, 0))


def _type(images: NDArray[np.generic]) -> list[Finding]:
    if images.dtype == np.uint8:
        return []
    low, high = float(images.min()), float(images.max())
    message = (
        f"pixels are {images.dtype} from {low:g} to {high:g}{_guess(low, high)}; the model takes uint8 from 0 to 255"
    )
    return [Finding("scale", "error", message)]


def _guess(low: float, high: float) -> str:
    if low >= 0 and high <= 1:
        return ", as if divided by 255"
    if low >= -1 and high <= 1:
        return ", as if scaled to -1…1"
    if low >= -5 and high <= 5:
        return ", as if standardised with a dataset's mean and deviation"
    return ""


def _scale(
    mean: NDArray[np.float64],
    deviation: NDArray[np.float64],
    test_mean: NDArray[np.float64],
    test_deviation: NDArray[np.float64],
) -> list[Finding]:
    ratio = float(deviation.mean() / max(test_deviation.mean(), 1e-9))
    if SMALLEST_DEVIATION_RATIO <= ratio <= 1 / SMALLEST_DEVIATION_RATIO:
        return []
    message = (
        f"pixels deviate by {_listed(deviation)} around {_listed(mean)} per channel, "
        f"the test split's by {_listed(test_deviation)} around {_listed(test_mean)}: another scale"
    )
    return [Finding("scale", "error", message)]


def _means(
    mean: NDArray[np.float64],
    test_mean: NDArray[np.float64],
    test_deviation: NDArray[np.float64],
    errors: NDArray[np.float64],
) -> list[Finding]:
    """`errors` float64 [C] are the standard errors of the mean, from the spread between images."""
    off = np.abs(mean - test_mean)
    tint, test_tint = mean - mean.mean(), test_mean - test_mean.mean()
    straight, swapped = np.abs(tint - test_tint).sum(), np.abs(tint[::-1] - test_tint).sum()
    told = f"channel means {_listed(mean)}, the test split's {_listed(test_mean)}"
    if len(mean) == 3 and np.abs(test_tint).max() > SMALLEST_TINT and swapped < 0.5 * straight:
        return [Finding("channel order", "warning", f"{told}: they agree when reversed, as if BGR were fed for RGB")]
    if (off > np.maximum(SCALE_ERRORS * errors, SCALE_MEAN * test_deviation)).any():
        return [Finding("channel means", "warning", told)]
    return []


def _image_errors(images: NDArray[np.generic]) -> NDArray[np.float64]:
    means = np.stack([np.asarray(image, np.float64).reshape(-1, images.shape[-1]).mean(0) for image in images])
    return np.asarray(means.std(0) / np.sqrt(len(means)))


def _digest(image: Images) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(image).tobytes(), digest_size=16).digest()


def _listed(values: NDArray[np.float64]) -> str:
    return "[" + ", ".join(f"{value:.3g}" for value in values) + "]"
