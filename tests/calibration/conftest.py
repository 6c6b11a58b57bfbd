"""A prepared dataset of ten classes, and a graph on disk."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest

from roundoff.dataset.base import Prepared
from tests.support.calibration import CLASSES, network, pictures


@pytest.fixture
def model_path(tmp_path):
    path = tmp_path / "model.onnx"
    onnx.save(network(), path)
    return path


@pytest.fixture
def prepared(tmp_path) -> Prepared:
    directory = tmp_path / "prepared"
    directory.mkdir()
    statistics = {}
    for seed, (split, count) in enumerate({"train": 300, "test": 100}.items()):
        images = pictures(count, seed)
        np.save(directory / f"{split}_images.npy", images)
        np.save(directory / f"{split}_labels.npy", np.arange(count, dtype=np.int64) % CLASSES)
        pixels = images.reshape(-1, 3)
        statistics[split] = {"channel_mean": pixels.mean(0).tolist(), "channel_std": pixels.std(0).tolist()}
    manifest = {
        "classes": [str(number) for number in range(CLASSES)],
        "test": statistics["test"],
        "seed": 3,
        "duplicates": {"count": 2, "train_indices": [7, 250]},
        "calibration_indices": [i for i in np.random.default_rng(0).permutation(300).tolist() if i not in (7, 250)],
    }
    (directory / "manifest.json").write_text(json.dumps(manifest))
    return Prepared(directory)
