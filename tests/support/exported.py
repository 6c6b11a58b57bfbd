"""What a LiteRT cell is built from: a Keras model, exported both ways, and a table of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from roundoff.backend.base import Source
from roundoff.dataset.base import Prepared
from roundoff.export.onnx_from_keras import Export
from roundoff.precision.fp32 import Fp32
from tests.support.networks import table_of
from tests.support.once import once


def residual(seed: int = 0) -> Any:
    """image → Conv, batch norm, ReLU → two branches that are added → ReLU → depthwise Conv → mean → logits [5]."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(seed)
    image = keras.Input((8, 8, 3), dtype="uint8", name="image")
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="first")(layers.Rescaling(1 / 64, -2.0)(image))
    x = layers.ReLU()(layers.BatchNormalization()(x))
    y = layers.Conv2D(8, 3, padding="same", name="branch")(x)
    x = layers.ReLU(name="joined")(layers.Add(name="add")([x, y]))
    x = layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = layers.GlobalAveragePooling2D()(layers.ReLU(name="last_relu")(x))
    return keras.Model(image, layers.Dense(5, name="logits")(x))


def residual_source(factory: pytest.TempPathFactory) -> Source:
    """The source of `residual()`, exported once for all that ask; nobody may change its files."""
    return source_in(once(factory, "residual-exported", lambda folder: exported(residual(), folder)))


def exported(network: Any, folder: Path, count: int = 16) -> Source:
    """The source of an FP32 cell, in `folder`; the network takes uint8 images [8, 8, 3]."""
    images = np.random.default_rng(2).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    manifest = {"shape": [8, 8, 3], "classes": [*map(str, range(network.output_shape[-1]))]}
    (folder / "manifest.json").write_text(json.dumps(manifest | {"calibration_indices": [*range(count)]}))
    np.save(folder / "train_images.npy", images)
    np.save(folder / "train_labels.npy", np.zeros(count, np.int64))
    (folder / "trained").mkdir()
    network.save(folder / "trained" / "model.keras")
    (folder / "trained" / "model.json").write_text(json.dumps({"format": 1, "form": "keras", "file": "model.keras"}))
    export = Export(18, count, 1e-3)
    export.onnx_from_trained(folder / "trained", Prepared(folder), folder / "model.onnx")
    export.tflite_from_trained(folder / "trained", folder / "tflite")
    table_of(onnx.load(folder / "model.onnx")).save(folder / "table.json")
    return source_in(folder)


def source_in(folder: Path) -> Source:
    """What `exported` wrote there."""
    return Source(
        "fp32",
        Fp32(),
        folder / "model.onnx",
        folder / "trained" / "model.keras",
        np.load(folder / "train_images.npy"),
        tflite=folder / "tflite" / "model.tflite",
        table=folder / "table.json",
    )
