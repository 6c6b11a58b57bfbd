"""What calibration refuses or warns of, with numbers: images that are not what the model will see, ranges that mislead.

Every guard returns findings; `enforce` raises CalibrationError for the errors among them. Each limit is a constant
here with its reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from roundoff.calibration.base import TensorRange
from roundoff.dataset.base import Images, Labels
from roundoff.errors import CalibrationError

Channels = NDArray[np.float64]

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


@dataclass(frozen=True)
class Pixels:
    """One pass over images: type, extremes, and per channel the mean, its standard error and the deviation."""

    dtype: str
    low: float
    high: float
    mean: Channels
    error: Channels
    deviation: Channels

    @classmethod
    def of(cls, images: Iterable[NDArray[np.generic]]) -> Pixels:
        """Statistics of images [H, W, C]; one is in memory at a time."""
        dtype, low, high, means, squares = "", np.inf, -np.inf, [], []
        for image in images:
            dtype = str(image.dtype)
            values = np.asarray(image, np.float64).reshape(-1, image.shape[-1])
            low, high = min(low, values.min()), max(high, values.max())
            means.append(values.mean(0))
            squares.append(np.square(values).mean(0))
        mean = np.mean(means, axis=0)
        deviation = np.sqrt(np.maximum(np.mean(squares, axis=0) - mean * mean, 0))
        error = np.std(means, axis=0) / np.sqrt(len(means))
        return cls(dtype, float(low), float(high), mean, error, deviation)


def check_pixels(images: Iterable[NDArray[np.generic]], expected: Mapping[str, Any]) -> list[Finding]:
    """Compare images [H, W, C] with the manifest's `channel_mean` and `channel_std` of the test split, 0 to 255.

    Wrong type or scale is an error; swapped channels and shifted means are warnings.
    """
    pixels = Pixels.of(images)
    test_mean = np.asarray(expected["channel_mean"], np.float64)
    test_deviation = np.asarray(expected["channel_std"], np.float64)
    if len(pixels.mean) != len(test_mean):
        return [Finding("channels", "error", f"{len(pixels.mean)} channels, the test split has {len(test_mean)}")]
    return _type(pixels) or _scale(pixels, test_mean, test_deviation) or _means(pixels, test_mean, test_deviation)


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


def check_duplicates(images: Iterable[Images], test: Iterable[Images]) -> list[Finding]:
    """Calibration images that are, byte for byte, in the test split: an error, since they flatter its accuracy."""
    known = {_digest(image) for image in test}
    are_known = [_digest(image) in known for image in images]
    if not any(are_known):
        return []
    told = f"{sum(are_known)} of {len(are_known)} calibration images are in the test split"
    return [Finding("test images", "error", f"{told} (first: number {are_known.index(True)})")]


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


def _type(pixels: Pixels) -> list[Finding]:
    if pixels.dtype == "uint8":
        return []
    range_seen = f"{pixels.dtype} from {pixels.low:g} to {pixels.high:g}{_guess(pixels.low, pixels.high)}"
    return [Finding("scale", "error", f"pixels are {range_seen}; the model takes uint8 from 0 to 255")]


def _guess(low: float, high: float) -> str:
    if low >= 0 and high <= 1:
        return ", as if divided by 255"
    if low >= -1 and high <= 1:
        return ", as if scaled to -1…1"
    if low >= -5 and high <= 5:
        return ", as if standardised with a dataset's mean and deviation"
    return ""


def _scale(pixels: Pixels, test_mean: Channels, test_deviation: Channels) -> list[Finding]:
    ratio = float(pixels.deviation.mean() / max(test_deviation.mean(), 1e-9))
    if SMALLEST_DEVIATION_RATIO <= ratio <= 1 / SMALLEST_DEVIATION_RATIO:
        return []
    message = (
        f"pixels deviate by {_listed(pixels.deviation)} around {_listed(pixels.mean)} per channel, "
        f"the test split's by {_listed(test_deviation)} around {_listed(test_mean)}: another scale"
    )
    return [Finding("scale", "error", message)]


def _means(pixels: Pixels, test_mean: Channels, test_deviation: Channels) -> list[Finding]:
    mean = pixels.mean
    tint, test_tint = mean - mean.mean(), test_mean - test_mean.mean()
    straight, swapped = np.abs(tint - test_tint).sum(), np.abs(tint[::-1] - test_tint).sum()
    told = f"channel means {_listed(mean)}, the test split's {_listed(test_mean)}"
    if len(mean) == 3 and np.abs(test_tint).max() > SMALLEST_TINT and swapped < 0.5 * straight:
        return [Finding("channel order", "warning", f"{told}: they agree when reversed, as if BGR were fed for RGB")]
    if (np.abs(mean - test_mean) > np.maximum(SCALE_ERRORS * pixels.error, SCALE_MEAN * test_deviation)).any():
        return [Finding("channel means", "warning", told)]
    return []


def _digest(image: Images) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(image).tobytes(), digest_size=16).digest()


def _listed(values: Channels) -> str:
    return "[" + ", ".join(f"{value:.3g}" for value in values) + "]"
