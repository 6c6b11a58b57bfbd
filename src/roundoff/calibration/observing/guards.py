"""What calibration refuses or warns of, with numbers: images that are not what the model will see, ranges that mislead.

Every guard returns findings; `enforce` raises CalibrationError for the errors among them. Each limit is a constant
here with its reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from roundoff.calibration.base import TensorRange
from roundoff.dataset.base import Images, Labels
from roundoff.errors import CalibrationError
from roundoff.results.message import Message, message, verbatim
from roundoff.results.preparation import ChannelStatistics

Channels = NDArray[np.float64]

FEWEST_IMAGES = 32
"""Below it the extremes of a tensor are those of single images."""
SMALLEST_DEVIATION_RATIO, OF_FEW = 0.6, 0.25
"""A standard deviation this far from the test split's, either way, is another scale and no chance of sampling: pixels
halved or doubled are at 0.5 and 2, any 32 images of CIFAR-10 within 0.9. OF_FEW is for fewer images."""
LARGEST_MOVED_SHARE, MOVED_ERRORS = 0.2, 3.0
"""Share of pixels that lie in other sixteenths of the grey scale than the test split's, and so many times what chance
moves on top. Honest images of CIFAR-10 are at 0.02, one class alone at 0.16 at most, bytes taken for signed at 0.30."""
LEAST_REFERENCE = 1000
"""Test images, evenly spread, whose grey levels are looked at."""
SCALE_ERRORS = 6.0
"""A channel mean may miss the test split's by this many standard errors and `SCALE_MEAN` before a guard warns."""
SCALE_MEAN = 0.1
"""Fraction of the test split's standard deviation; smaller shifts do not move a range."""
MOST_NAMED = 5
"""Tensors that one warning names."""
BLOCK_BYTES = 2**22
"""Of the test split, looked at together."""
SMALLEST_TINT = 1.0
"""Grey levels between a channel's mean and all channels' mean, below which red and blue cannot be told apart."""


@dataclass(frozen=True)
class Finding:
    """One guard's result: an error or a warning, with numbers."""

    guard: str
    level: Literal["error", "warning"]
    message: Message


@dataclass(frozen=True)
class Pixels:
    """One pass over images: type, extremes, and per channel the mean, its standard error and the deviation.

    `grey` is the share of each image's bytes in every sixteenth of the grey scale, float64 [images, 16], and `levels`
    the number of different bytes; empty and 0 for other types than uint8.
    """

    dtype: str
    low: float
    high: float
    mean: Channels
    error: Channels
    deviation: Channels
    grey: NDArray[np.float64]
    levels: int

    @classmethod
    def of(cls, images: Iterable[NDArray[np.generic]]) -> Pixels:
        """Statistics of images [H, W, C]; one is in memory at a time. Raises CalibrationError without any image."""
        dtype, low, high, means, squares, counts = "", np.inf, -np.inf, [], [], []
        for image in images:
            dtype = str(image.dtype)
            values = np.asarray(image, np.float64).reshape(-1, image.shape[-1])
            low, high = min(low, values.min()), max(high, values.max())
            means.append(values.mean(0))
            squares.append(np.square(values).mean(0))
            if image.dtype == np.uint8:
                counts.append(np.bincount(image.reshape(-1), minlength=256))
        if not means:
            raise CalibrationError(
                "there is no calibration image",
                received="0 images",
                expected=f"{FEWEST_IMAGES} training images or more",
                fix="raise calibrate.images",
            )
        mean = np.mean(means, axis=0)
        deviation = np.sqrt(np.maximum(np.mean(squares, axis=0) - mean * mean, 0))
        error = np.std(means, axis=0) / np.sqrt(len(means))
        bytes_of = np.array(counts, np.int64).reshape(-1, 256)
        grey = bytes_of.reshape(-1, 16, 16).sum(2) / np.maximum(bytes_of.sum(1, keepdims=True), 1)
        levels = int(np.count_nonzero(bytes_of.sum(0)))
        return cls(dtype, float(low), float(high), mean, error, deviation, grey, levels)


def check_pixels(images: Iterable[NDArray[np.generic]], expected: ChannelStatistics, test: Images) -> list[Finding]:
    """Compare images [H, W, C] with the manifest's `channel_mean` and `channel_std` of the test split, 0 to 255, and
    with the grey levels of its images `test`, uint8 [n, H, W, C].

    Wrong type or scale is an error; swapped channels and shifted means are warnings.
    """
    pixels = Pixels.of(images)
    test_mean = np.asarray(expected.channel_mean, np.float64)
    test_deviation = np.asarray(expected.channel_std, np.float64)
    if len(pixels.mean) != len(test_mean):
        return [_error("channels", f"{len(pixels.mean)} channels, the test split has {len(test_mean)}")]
    return (
        _type(pixels)
        or _scale(pixels, test_mean, test_deviation)
        or _grey(pixels, test[:: max(len(test) // LEAST_REFERENCE, 1)])
        or _means(pixels, test_mean, test_deviation)
    )


def check_coverage(labels: Labels, classes: int, images: int) -> list[Finding]:
    """Few images and missing classes are warnings; a single class of several is an error.

    Of more classes than images, as many are expected as there are images.
    """
    findings = []
    if images < FEWEST_IMAGES:
        findings.append(Finding("count", "warning", message("few_images", images=images, fewest=FEWEST_IMAGES)))
    present = len(np.unique(labels))
    if present == 1 < classes:
        told = f"all {images} calibration images are of class {int(labels[0])}; the model knows {classes} classes"
        findings.append(_error("classes", told))
    elif present < min(classes, images):
        findings.append(Finding("classes", "warning", message("classes_missing", present=present, classes=classes)))
    return findings


def check_duplicates(images: Iterable[Images], test: Images) -> list[Finding]:
    """Calibration images that are, byte for byte, in the test split `test`, uint8 [n, H, W, C]: an error, since they
    flatter its accuracy.
    """
    chosen = list(images)
    digests = [_digest(image) for image in chosen]
    found = {_digest(test[index]) for index in _as_bright(chosen, test)} & {*digests}
    if not found:
        return []
    are_known = [digest in found for digest in digests]
    told = f"{sum(are_known)} of {len(are_known)} calibration images are in the test split"
    return [_error("test images", f"{told} (first: number {are_known.index(True)})")]


def _as_bright(chosen: Sequence[Images], test: Images) -> Iterator[int]:
    """Indices of the test images whose bytes have the sum of a chosen one's: all that can be the same, and few more."""
    sums = [int(image.sum(dtype=np.int64)) for image in chosen]
    block = max(1, BLOCK_BYTES // max(1, test[:1].nbytes))
    for first in range(0, len(test), block):
        some = test[first : first + block]
        bright = some.reshape(len(some), -1).sum(1, dtype=np.int64)
        yield from (first + np.flatnonzero(np.isin(bright, sums))).tolist()


def check_observed(names: Collection[str], observed: Collection[str]) -> list[Finding]:
    """A note on the tensors without a range, which no rule quantizes."""
    skipped = [name for name in names if name not in observed]
    if not skipped:
        return []
    left = len(skipped) - MOST_NAMED
    more: list[str | Message] = [message("and_more", count=left)] if left > 0 else []
    told = message("tensors_skipped", count=len(skipped), names=[*skipped[:MOST_NAMED], *more])
    return [Finding("skipped", "warning", told)]


def check_ranges(ranges: Mapping[str, TensorRange], max_clipped_percent: float) -> list[Finding]:
    """Dead (all zero) and constant tensors; ranges that clip more than `max_clipped_percent` of nonzero values."""
    findings = []
    for name, seen in ranges.items():
        chosen = max(map(seen.choice, (True, False)), key=lambda choice: choice.clipped_fraction)
        percent = 100 * chosen.clipped_fraction
        if seen.seen_low == seen.seen_high:
            guard = "dead" if seen.seen_low == 0 else "constant"
            findings.append(
                Finding(guard, "warning", message("tensor_constant", tensor=name, value=float(seen.seen_low)))
            )
        elif percent > max_clipped_percent:
            ends = {"low": float(chosen.low), "high": float(chosen.high)}
            told = message(
                "tensor_clipped", tensor=name, percent=float(percent), most=float(max_clipped_percent), **ends
            )
            findings.append(Finding("clipping", "warning", told))
    return findings


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


def _error(guard: str, text: str) -> Finding:
    """An error stops the stage, so its words stand in no file."""
    return Finding(guard, "error", verbatim(text))


def _type(pixels: Pixels) -> list[Finding]:
    if pixels.dtype == "uint8":
        return []
    range_seen = f"{pixels.dtype} from {pixels.low:g} to {pixels.high:g}{_guess(pixels.low, pixels.high)}"
    return [_error("scale", f"pixels are {range_seen}; the model takes uint8 from 0 to 255")]


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
    smallest = SMALLEST_DEVIATION_RATIO if len(pixels.grey) >= FEWEST_IMAGES else OF_FEW
    if smallest <= ratio <= 1 / smallest:
        return []
    told = (
        f"pixels deviate by {_listed(pixels.deviation)} around {_listed(pixels.mean)} per channel, "
        f"the test split's by {_listed(test_deviation)} around {_listed(test_mean)}: another scale"
    )
    return [_error("scale", told)]


def _grey(pixels: Pixels, test: Images) -> list[Finding]:
    """Pixels spread over the grey scale in another way: bytes that were cast, wrapped, halved, or made linear."""
    reference = Pixels.of(test)
    moved = 0.5 * float(np.abs(pixels.grey.mean(0) - reference.grey.mean(0)).sum())
    count = len(pixels.grey)
    # A normal deviate is 0.8 standard deviations in the mean; one image says nothing of the others.
    by_chance = 0.5 * 0.8 * float((pixels.grey.std(0, ddof=1) / np.sqrt(count)).sum()) if count > 1 else 1.0
    if moved <= LARGEST_MOVED_SHARE + MOVED_ERRORS * by_chance:
        return []
    told = (
        f"pixels lie to {100 * moved:.0f} % in other sixteenths of the grey scale than the test split's "
        f"({100 * by_chance:.0f} % would by chance), in {pixels.levels} levels from {pixels.low:g} to {pixels.high:g} "
        f"(the test split's: {reference.levels} from {reference.low:g} to {reference.high:g}): another scale"
    )
    return [_error("scale", told)]


def _means(pixels: Pixels, test_mean: Channels, test_deviation: Channels) -> list[Finding]:
    mean = pixels.mean
    allowed = np.maximum(SCALE_ERRORS * pixels.error, SCALE_MEAN * test_deviation)
    told = {"means": _listed(mean), "expected": _listed(test_mean)}
    if _reversed(pixels, test_mean, test_deviation) and (np.abs(mean[::-1] - test_mean) <= allowed[::-1]).all():
        return [Finding("channel order", "warning", message("channels_reversed", **told))]
    if (np.abs(mean - test_mean) > allowed).any():
        return [Finding("channel means", "warning", message("channels_shifted", **told))]
    return []


def _reversed(pixels: Pixels, test_mean: Channels, test_deviation: Channels) -> bool:
    """Whether colour, means less their mean, and deviations both fit the test split's better the other way round."""
    mean, deviation = pixels.mean, pixels.deviation
    tint, test_tint = mean - mean.mean(), test_mean - test_mean.mean()
    swapped = np.abs(tint[::-1] - test_tint).sum() < 0.5 * np.abs(tint - test_tint).sum()
    agree = np.abs(deviation[::-1] - test_deviation).sum() <= np.abs(deviation - test_deviation).sum()
    return bool(len(mean) == 3 and np.abs(test_tint).max() > SMALLEST_TINT and swapped and agree)


def _digest(image: Images) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(image).tobytes(), digest_size=16).digest()


def _listed(values: Channels) -> str:
    return "[" + ", ".join(f"{value:.3g}" for value in values) + "]"
