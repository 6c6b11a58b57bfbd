"""Guards: what each says of the mistakes that every other tool accepts in silence."""

from __future__ import annotations

import numpy as np
import pytest

from roundoff.calibration.base import TensorRange
from roundoff.calibration.observing import guards
from roundoff.calibration.observing.guards import (
    Pixels,
    check_coverage,
    check_duplicates,
    check_pixels,
    check_ranges,
    enforce,
)
from roundoff.errors import CalibrationError
from roundoff.results.preparation import ChannelStatistics
from tests.support.calibration import CLASSES, pictures

IMAGENET = (np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]))


TEST = pictures(200, 9)


def statistics(images):
    pixels = Pixels.of(images)
    return ChannelStatistics(channel_mean=pixels.mean.tolist(), channel_std=pixels.deviation.tolist())


def compared(images, test=TEST):
    """What the guards say of images beside those of a test split."""
    return check_pixels(images, statistics(test), test)


def cast(values):
    """As C casts floats to bytes."""
    return values.astype(np.int32).astype(np.uint8)


def levels(findings):
    return [(finding.guard, finding.level) for finding in findings]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [1, 2, 10, 64])
def test_honest_images_pass(seed, count):
    assert [finding for finding in compared(pictures(count, seed)) if finding.level == "error"] == []
    assert compared(pictures(64, seed)) == []


@pytest.mark.parametrize(
    ("rescaled", "guess"),
    [
        (lambda x: x / 255, "divided by 255"),
        (lambda x: x / 127.5 - 1, "scaled to -1…1"),
        (lambda x: (x / 255 - IMAGENET[0]) / IMAGENET[1], "standardised"),
        (lambda x: x.astype(np.float32), "float32 from 0 to 255"),
        (lambda x: (x / 255).astype(np.uint8), "another scale"),
        (lambda x: np.zeros_like(x), "another scale"),
        (lambda x: cast(x / 127.5 - 1), "another scale"),
        (lambda x: cast((x / 255 - IMAGENET[0]) / IMAGENET[1]), "in 5 levels from 0 to 255"),
        (lambda x: x // 2, "another scale"),
        (lambda x: x ^ 128, "another scale"),
        (lambda x: cast(255 * (x / 255) ** 2.2), "another scale"),
        (lambda x: x // 64 * 64, "in 4 levels from 0 to 192"),
    ],
    ids=[
        "unit",
        "symmetric",
        "imagenet",
        "float",
        "unit-as-bytes",
        "black",
        "symmetric-as-bytes",
        "imagenet-as-bytes",
        "halved",
        "signed-as-unsigned",
        "linear",
        "four-levels",
    ],
)
def test_a_wrong_scale_is_an_error_with_numbers(rescaled, guess):
    findings = compared(rescaled(pictures(64, 0)))
    assert levels(findings) == [("scale", "error")]
    assert guess in str(findings[0].message)
    with pytest.raises(CalibrationError, match=r"scale: pixels"):
        enforce(findings)


def test_few_images_of_a_wrong_scale_are_an_error_too():
    assert levels(compared(cast((pictures(5, 0) / 255 - IMAGENET[0]) / IMAGENET[1]))) == [("scale", "error")]


def test_no_image_at_all_is_told():
    with pytest.raises(CalibrationError, match="there is no calibration image"):
        compared(np.zeros((0, 12, 12, 3), np.uint8))


def test_reversed_channels_are_a_warning():
    findings = compared(pictures(64, 0)[..., ::-1])
    assert levels(findings) == [("channel order", "warning")]
    assert "BGR" in str(findings[0].message)
    enforce(findings)


def test_grey_images_say_nothing_of_their_channel_order():
    grey = np.repeat(pictures(100, 1)[..., :1], 3, axis=-1)
    assert compared(grey[:50, ..., ::-1], grey[50:]) == []


def test_negatives_are_not_called_swapped_channels():
    dark = np.clip(pictures(200, 5).astype(int) * [0.9, 1.0, 1.1] + [30, 0, -12], 0, 255).astype(np.uint8)
    findings = compared(255 - dark[:100], dark[100:])
    assert levels(findings) == [("channel means", "warning")]


def test_channels_whose_deviations_do_not_swap_are_not_called_swapped():
    random = np.random.default_rng(0)
    noise = random.normal(size=(200, 12, 12, 3)) * [60, 40, 30]
    test = np.clip(noise[:100] + np.array([135, 125, 115]), 0, 255).astype(np.uint8)
    tinted = np.clip(noise[100:] + np.array([115, 125, 135]), 0, 255).astype(np.uint8)
    assert levels(compared(tinted, test)) == [("channel means", "warning")]
    assert levels(compared(test[..., ::-1], test)) == [("channel order", "warning")]


def test_statistics_are_those_of_all_pixels():
    images = pictures(30, 3)
    pixels = Pixels.of(images)
    assert np.allclose(pixels.mean, images.mean((0, 1, 2)))
    assert np.allclose(pixels.deviation, images.reshape(-1, 3).std(0))
    assert (pixels.low, pixels.high, pixels.dtype) == (images.min(), images.max(), "uint8")


def test_darker_images_are_a_warning():
    assert levels(compared((pictures(64, 0) * 0.85).astype(np.uint8))) == [("channel means", "warning")]


def test_another_number_of_channels_is_an_error():
    assert levels(compared(pictures(8, 0)[..., :1])) == [("channels", "error")]


def test_one_class_is_an_error_and_missing_ones_a_warning():
    one = check_coverage(np.full(64, 4), CLASSES, 64)
    assert levels(one) == [("classes", "error")]
    assert "all 64 calibration images are of class 4" in str(one[0].message)
    some = check_coverage(np.arange(64) % 7, CLASSES, 64)
    assert levels(some) == [("classes", "warning")]
    assert check_coverage(np.arange(64) % CLASSES, CLASSES, 64) == []
    assert check_coverage(np.zeros(64, np.int64), 1, 64) == []
    assert check_coverage(np.arange(320), 1000, 320) == []
    assert levels(check_coverage(np.arange(320) % 319, 1000, 320)) == [("classes", "warning")]


def test_few_images_are_a_warning():
    assert levels(check_coverage(np.arange(10), CLASSES, 10)) == [("count", "warning")]


def test_test_images_among_them_are_an_error_that_counts():
    images, test = pictures(40, 0), pictures(30, 1)
    images[[5, 9]] = test[[2, 3]]
    findings = check_duplicates(images, test)
    assert levels(findings) == [("test images", "error")]
    assert "2 of 40" in str(findings[0].message)
    assert "number 5" in str(findings[0].message)
    assert check_duplicates(pictures(40, 0), test) == []


def test_a_test_image_is_found_in_any_block_and_one_that_is_only_as_bright_is_not(monkeypatch):
    images, test = pictures(40, 0), pictures(30, 1)
    monkeypatch.setattr(guards, "BLOCK_BYTES", 7 * test[0].nbytes)
    assert check_duplicates(test[::-1, ::-1], test) == []
    images[11] = test[29]
    assert "1 of 40" in str(check_duplicates(images, test)[0].message)


def test_dead_constant_and_clipped_tensors_are_warnings():
    ranges = {
        "dead": TensorRange(0, 0, 0, 0, "minmax", 0),
        "constant": TensorRange(2, 2, 2, 2, "minmax", 0),
        "clipped": TensorRange(0, 1, 0, 9, "percentile", 0.02),
        "sound": TensorRange(0, 1, 0, 1, "minmax", 0.005),
    }
    findings = check_ranges(ranges, max_clipped_percent=1.0)
    assert levels(findings) == [("dead", "warning"), ("constant", "warning"), ("clipping", "warning")]
    assert "clips 2.00 %" in str(findings[2].message)
