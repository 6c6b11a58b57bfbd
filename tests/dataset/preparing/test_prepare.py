from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from roundoff.dataset.base import Dataset, OpenDataset, Prepared
from roundoff.dataset.digits import Digits
from roundoff.dataset.preparing.prepare import Preparation, require_calibration_images
from roundoff.errors import ConfigError, DataError
from roundoff.results.preparation import Counts, Duplicates, Manifest
from roundoff.system.files import sha256_of
from tests.support.present import present

PREPARATION = Preparation(seed=0, calibration_pool=64)


@dataclass(frozen=True)
class Noise(Dataset):
    """Random images of two classes, with room for mistakes."""

    train: int = 12
    test: int = 4
    shared: int = 0
    announced: int = 0
    shape: tuple[int, int, int] = (4, 4, 3)
    labels: tuple[int, ...] = (0, 1)
    interrupt_at: int | None = None
    closed: list[bool] = field(default_factory=list)

    def open(self) -> OpenDataset:
        return _OpenNoise(self)


class _OpenNoise(OpenDataset):
    classes = ("no", "yes")
    shape = (4, 4, 3)

    def __init__(self, noise: Noise) -> None:
        self._noise, self.source = noise, {"dataset": "noise"}
        shape = noise.shape
        self._images = {
            "train": np.random.default_rng(0).integers(0, 256, (noise.train, *shape), dtype=np.uint8),
            "test": np.random.default_rng(1).integers(0, 256, (noise.test, *shape), dtype=np.uint8),
        }
        self._images["train"][: noise.shared] = self._images["test"][0]

    def count(self, split) -> int:
        return len(self._images[split]) + self._noise.announced

    def read(self, split) -> Iterator[Any]:
        for index, image in enumerate(self._images[split]):
            if split == "train" and index == self._noise.interrupt_at:
                raise KeyboardInterrupt
            yield image, self._noise.labels[index % len(self._noise.labels)]

    def close(self) -> None:
        self._noise.closed.append(True)


def test_the_arrays_hold_what_the_dataset_gave(tmp_path):
    Preparation(0, 320).run(Digits(), tmp_path / "prepared")
    prepared = Prepared(tmp_path / "prepared")
    with Digits().open() as opened:
        for name in ("train", "test"):
            split = prepared.split(name)
            images, labels = zip(*opened.read(name), strict=True)
            assert isinstance(split.images, np.memmap)
            assert np.array_equal(split.images, np.stack(images))
            assert np.array_equal(split.labels, labels)
            assert split.labels.dtype == np.int64


def test_the_manifest_describes_both_splits(tmp_path):
    returned = Preparation(3, 320).run(Digits(), tmp_path)
    prepared = Prepared(tmp_path)
    manifest, train, test = prepared.manifest, prepared.split("train"), prepared.split("test")
    assert manifest == returned
    assert manifest.classes == list("0123456789")
    assert manifest.shape == [32, 32, 3]
    assert manifest.counts == Counts(train=1437, test=360)
    assert list(manifest.class_counts.test.values()) == np.bincount(test.labels).tolist()
    np.testing.assert_allclose(manifest.channel_mean, train.images.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(manifest.channel_std, train.images.std(axis=(0, 1, 2)), rtol=1e-10)
    np.testing.assert_allclose(manifest.test.channel_mean, test.images.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(manifest.test.channel_std, test.images.std(axis=(0, 1, 2)), rtol=1e-10)
    assert manifest.hashes == {path.name: sha256_of(path) for path in tmp_path.glob("*.npy")}
    assert len(manifest.hashes) == 4
    assert manifest.seed == 3
    assert manifest.dataset == "scikit-learn load_digits"


def test_calibration_indices_are_stratified_over_the_training_split(tmp_path):
    Preparation(0, 320).run(Digits(), tmp_path)
    prepared = Prepared(tmp_path)
    assert np.array_equal(np.bincount(prepared.split("train").labels[prepared.calibration_indices(100)]), [10] * 10)
    with pytest.raises(DataError, match=r"too few calibration images\n  received: calibrate.images=321\n.*at most 320"):
        prepared.calibration_indices(321)


def test_the_pool_is_at_most_the_training_split(tmp_path):
    assert len(present(PREPARATION.run(Noise(), tmp_path).calibration_indices)) == 12


def test_preparing_twice_gives_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        PREPARATION.run(Digits(), tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_images_of_the_test_split_are_counted_and_never_calibrate(tmp_path):
    manifest = PREPARATION.run(Noise(shared=3), tmp_path)
    assert manifest.duplicates == Duplicates(count=3, train_indices=[0, 1, 2])
    assert sorted(present(manifest.calibration_indices)) == list(range(3, 12))


def test_a_training_split_within_the_test_split_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"every training image is also in the test split\n  received: 12 exact"):
        PREPARATION.run(Noise(shared=12), tmp_path / "prepared")


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        (Noise(shape=(4, 5, 3)), r"another test image 0 than it announced\n  received: uint8 \[4, 5, 3\] of class 0"),
        (Noise(labels=(0, 2)), r"another test image 1 than it announced\n  received: .* of class 2"),
        (Noise(announced=-1), r"another test image 3 than it announced\n(.|\n)*class 0 to 1, 3 images"),
        (Noise(announced=1), r"the test split is incomplete\n  received: 4 images\n  expected: 5 images"),
        (Noise(labels=(1,)), r"the test split is incomplete\n  received: 4 images, none of no\n"),
    ],
)
def test_a_dataset_that_breaks_its_word_is_refused(tmp_path, noise, message):
    with pytest.raises(DataError, match=message):
        PREPARATION.run(noise, tmp_path / "prepared")
    assert list(tmp_path.iterdir()) == []
    assert noise.closed


def test_an_interrupted_preparation_leaves_the_former_one_whole(tmp_path):
    PREPARATION.run(Digits(), tmp_path / "prepared")
    before = {path.name: path.read_bytes() for path in (tmp_path / "prepared").iterdir()}
    noise = Noise(interrupt_at=5)
    with pytest.raises(KeyboardInterrupt):
        PREPARATION.run(noise, tmp_path / "prepared")
    assert {path.name: path.read_bytes() for path in (tmp_path / "prepared").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["prepared"]
    assert noise.closed
    assert json.loads(before["manifest.json"])["counts"]["train"] == 1437


@pytest.mark.parametrize(
    ("values", "message"),
    [((-1, 10), "prepare.seed is negative"), ((0, 0), "prepare.calibration_pool leaves nothing to calibrate with")],
)
def test_bad_values_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        Preparation(*values)


@pytest.mark.parametrize(("wanted", "enough"), [(89, True), (90, False), (320, False)])
def test_too_few_images_to_calibrate_on_are_refused_before_training(wanted, enough):
    manifest = Manifest(classes=[], counts=Counts(train=100), duplicates=Duplicates(count=10))
    if enough:
        require_calibration_images(manifest, wanted)
        return
    with pytest.raises(DataError, match=rf"calibrate\.images={wanted}, and 90 training images") as error:
        require_calibration_images(manifest, wanted)
    assert error.value.fix.startswith("set calibrate.images=45")


@pytest.mark.parametrize("damage", ["cut", "gone", "junk"])
def test_a_broken_split_is_named(tmp_path, damage):
    Preparation(0, 320).run(Digits(), tmp_path / "prepared")
    path = tmp_path / "prepared" / "train_images.npy"
    content = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"junk")
    with pytest.raises(DataError, match=r"prepared/train_images.npy cannot be read"):
        Prepared(tmp_path / "prepared").split("train")


class TestSlices:
    def run(self, folder, text):
        (folder / "mine.csv").write_text(text)
        preparation = Preparation(0, 64, slices=str(folder / "mine.csv"))
        return preparation.run(Noise(), folder / "prepared", folder / "slices.csv")

    def test_a_table_is_written_in_the_order_of_the_test_images(self, tmp_path):
        self.run(tmp_path, "image,light\n3,a\n2,b\n1,c\n0,d\n")
        assert (tmp_path / "slices.csv").read_text() == "test_image,light\n0,d\n1,c\n2,b\n3,a\n"

    def test_a_table_of_other_images_is_refused_before_any_is_read(self, tmp_path):
        with pytest.raises(DataError, match=r"no row of 3"):
            self.run(tmp_path, "image,light\n0,a\n1,b\n2,c\n")
        assert not (tmp_path / "prepared").exists()
        assert not (tmp_path / "slices.csv").exists()

    def test_the_images_are_the_same_with_and_without(self, tmp_path):
        """So nothing is trained again."""
        with_table = self.run(tmp_path, "image,light\n3,a\n2,b\n1,c\n0,d\n")
        assert PREPARATION.run(Noise(), tmp_path / "other", tmp_path / "none.csv") == with_table
        assert (tmp_path / "none.csv").read_text() == "test_image\n"
