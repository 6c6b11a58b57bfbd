from __future__ import annotations

import numpy as np
import pytest

from roundoff.dataset.base import SplitName
from roundoff.dataset.digits import Digits
from roundoff.errors import ConfigError


def _labels(digits: Digits, split: SplitName) -> np.ndarray:
    with digits.open() as opened:
        return np.array([label for _, label in opened.read(split)])


def test_split_is_stratified_complete_and_seeded():
    train, test = _labels(Digits(), "train"), _labels(Digits(), "test")
    assert (len(train), len(test)) == (1437, 360)
    shares = np.bincount(test) / np.bincount(np.concatenate([train, test]))
    assert np.abs(shares - 0.2).max() < 0.01
    assert np.array_equal(test, _labels(Digits(), "test"))
    assert not np.array_equal(test, _labels(Digits(seed=1), "test"))


def test_images_are_grey_rgb_over_the_full_scale():
    with Digits(size=16).open() as opened:
        images = np.stack([image for image, _ in opened.read("train")])
        assert opened.shape == (16, 16, 3)
        assert opened.classes == tuple("0123456789")
    assert images.shape == (1437, 16, 16, 3)
    assert images.dtype == np.uint8
    assert (images.min(), images.max()) == (0, 255)
    assert np.array_equal(images[..., 0], images[..., 2])


def test_native_size_keeps_the_sixteen_greys():
    with Digits(size=8).open() as opened:
        greys = {int(grey) for image, _ in opened.read("test") for grey in np.unique(image)}
    assert greys == {round(step * 255 / 16) for step in range(17)}


def test_height_width_and_channels_are_settings():
    with Digits(size=[12, 20], channels=1).open() as opened:
        assert opened.shape == (12, 20, 1)
        image, _ = next(iter(opened.read("test")))
    assert image.shape == (12, 20, 1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 4}, r"dataset.size is too small(.|\n)*received: 4\n(.|\n)*pixels from 8 to 1024"),
        ({"size": [8, 2000]}, r"dataset.size is too large"),
        ({"size": [8]}, r"dataset.size is not a size"),
        ({"size": [8, 9, 3]}, r"dataset.size is not a size"),
        ({"size": [8, True]}, r"dataset.size is not a size"),
        ({"size": "32"}, r"dataset.size is not a size"),
        ({"channels": 4}, r"dataset.channels is no number of colour channels"),
        ({"test_fraction": 0.0}, "dataset.test_fraction leaves too few images"),
        ({"test_fraction": 0.9}, "dataset.test_fraction leaves too few images"),
        ({"seed": -1}, "dataset.seed is negative"),
    ],
)
def test_bad_values_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        Digits(**values)
