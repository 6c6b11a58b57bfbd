"""The images that the zoo is tried on: a part of the zip, and other calibration images in each draw."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from benchmarks.zoo import prepared
from roundoff.dataset.base import Prepared


@pytest.fixture
def archive(tmp_path):
    path, random = tmp_path / "all.zip", np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as file:
        for split, count in (("train", 8), ("test", 3)):
            for number in range(10 * count):
                encoded = io.BytesIO()
                Image.fromarray(random.integers(0, 256, (4, 4, 3), dtype=np.uint8)).save(encoded, "PNG")
                file.writestr(f"{split}/{number % 10}/{number:03}.png", encoded.getvalue())
    return path


def test_each_draw_has_the_same_images_and_other_ones_for_calibration(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(prepared, "POOL", 20)
    part = prepared.fewer(archive, tmp_path / "part.zip", train=60, test=20)
    place = prepared.prepare(part, tmp_path / "prepared", 6)
    for number in (0, 1, 0):
        prepared.draw(place, tmp_path / f"draw{number}", number)
    first, second = (Prepared(tmp_path / f"draw{number}") for number in (0, 1))
    assert first.split("train").images.shape == (60, 6, 6, 3)
    assert len(second.split("test").labels) == 20
    np.testing.assert_array_equal(first.split("train").images, second.split("train").images)
    assert first.calibration_indices(20).tolist() != second.calibration_indices(20).tolist()
    assert np.bincount(second.split("train").labels[second.calibration_indices(20)]).tolist() == [2] * 10
