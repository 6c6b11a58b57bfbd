"""Synthetic images of many classes."""

import zipfile

import numpy as np

from benchmarks.large.images import SIZE, images, write_zip


def test_images_of_a_class_are_alike_and_those_of_another_are_not():
    first, again, other = (next(images(label, split, 1)).astype(float) for label, split in ((3, 0), (3, 1), (4, 0)))
    assert first.shape == (SIZE, SIZE, 3)
    assert 0 < np.abs(first - again).mean() < 0.3 * np.abs(first - other).mean()


def test_the_zip_has_all_classes_and_the_same_bytes_each_time(tmp_path):
    for name in ("a.zip", "b.zip"):
        write_zip(tmp_path / name, classes=2, train=2, test=1)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == [
            "train/0000/000.jpg",
            "train/0000/001.jpg",
            "train/0001/000.jpg",
            "train/0001/001.jpg",
            "test/0000/000.jpg",
            "test/0001/000.jpg",
        ]
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
