"""Prepared files are what their manifest says, or refused."""

import json

import numpy as np
import pytest

from roundoff.dataset.base import Prepared
from roundoff.errors import DataError
from roundoff.system.files import sha256_of

SHAPE = (2, 2, 3)


@pytest.fixture
def folder(tmp_path):
    """Six training and four test images of two classes."""
    for split, count in (("train", 6), ("test", 4)):
        images = np.random.default_rng(count).integers(0, 256, (count, *SHAPE), dtype=np.uint8)
        np.save(tmp_path / f"{split}_images.npy", images)
        np.save(tmp_path / f"{split}_labels.npy", np.arange(count, dtype=np.int64) % 2)
    manifest = {
        "classes": ["a", "b"],
        "shape": list(SHAPE),
        "counts": {"train": 6, "test": 4},
        "class_counts": {"train": {"a": 3, "b": 3}, "test": {"a": 2, "b": 2}},
        "channel_mean": [1.0] * 3,
        "channel_std": [1.0] * 3,
        "test": {"channel_mean": [1.0] * 3, "channel_std": [1.0] * 3},
        "hashes": {path.name: sha256_of(path) for path in sorted(tmp_path.glob("*.npy"))},
        "source": {"dataset": "made up"},
        "duplicates": {"count": 1, "train_indices": [5]},
        "seed": 0,
        "calibration_indices": [3, 0, 4],
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path


def rewrite(folder, **change):
    path = folder / "manifest.json"
    content = {key: value for key, value in (json.loads(path.read_text()) | change).items() if value is not None}
    path.write_text(json.dumps(content))
    return Prepared(folder)


def test_what_prepare_wrote_is_read(folder):
    prepared = Prepared(folder)
    assert prepared.split("train").images.shape == (6, *SHAPE)
    assert prepared.split("test").labels.tolist() == [0, 1, 0, 1]
    assert prepared.calibration_indices(2).tolist() == [3, 0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"classes": ["a", "a"]}, "classes"),
        ({"classes": []}, "classes"),
        ({"shape": [2, 2]}, "shape"),
        ({"shape": [0, 2, 3]}, "shape"),
        ({"channel_mean": [1.0]}, "channel_mean"),
        ({"channel_std": [-1.0] * 3}, "channel_std"),
        ({"counts": {"train": 6, "test": 0}}, "no test images"),
        ({"class_counts": {"train": {"a": 6, "b": 0}, "test": {"a": 2, "b": 2}}}, r"class_counts\.train"),
        ({"hashes": None}, "no hashes"),
        ({"hashes": {}}, r"no hash of train_images\.npy"),
        ({"shape": []}, "no shape"),
        ({"duplicates": {"count": 5, "train_indices": []}}, "duplicates of 5"),
        ({"seed": None}, "no seed"),
    ],
    ids=lambda value: str(next(iter(value))) if isinstance(value, dict) else None,
)
def test_a_manifest_that_cannot_be_is_refused(folder, change, words):
    with pytest.raises(DataError, match=rf"(?s)manifest\.json.*{words}"):
        rewrite(folder, **change).split("train")


@pytest.mark.parametrize("indices", [[0, 0], [-1], [6], [5, 1]], ids=["twice", "negative", "beyond", "a test image"])
def test_calibration_indices_that_cannot_be_are_refused(folder, indices):
    with pytest.raises(DataError, match="calibration_indices"):
        rewrite(folder, calibration_indices=indices).calibration_indices(1)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("train_images", lambda a: a ^ 1, "has changed since it was prepared"),
        ("train_labels", lambda a: a[::-1].copy(), "has changed since it was prepared"),
        ("train_labels", lambda a: a + 1, "labels from 1 to 2"),
        ("train_labels", lambda a: a - 1, "labels from -1 to 0"),
        ("train_labels", lambda a: a[:-1], "6 of each"),
        ("train_images", lambda a: a[:-1], "6 of each"),
        ("train_images", lambda a: a.astype(float), "uint8 in 4 dimensions"),
    ],
)
def test_other_arrays_than_those_of_the_manifest_are_refused(folder, name, change, words):
    path = folder / f"{name}.npy"
    np.save(path, change(np.load(path)))
    with pytest.raises(DataError, match=words):
        Prepared(folder).split("train")


def test_a_change_while_a_process_runs_is_seen(folder):
    Prepared(folder).split("test")
    images = np.load(folder / "test_images.npy")
    np.save(folder / "test_images.npy", images ^ 1)
    with pytest.raises(DataError, match="has changed since"):
        Prepared(folder).split("test")
