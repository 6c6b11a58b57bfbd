"""A network of Keras at 224 × 224, random weights and a fitted head:

python -m benchmarks.large network NAME --prepared data/prepared --out network.keras
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.large.head import fitted
from roundoff.dataset.base import Images, Prepared
from roundoff.system.files import whole_file

SIZE, BATCH = 224, 32
APPLICATIONS = {
    "resnet50": "ResNet50",
    "efficientnet_b0": "EfficientNetB0",
    "mobilenet_v3": "MobileNetV3Large",
    "convnext_tiny": "ConvNeXtTiny",
}
"""Of keras.applications. All but ResNet50 have their preprocessing in the network."""
VIT_TINY = {"patch": 16, "width": 192, "heads": 3, "depth": 12, "inner": 768}
"""Touvron et al., arXiv:2012.12877."""
NETWORKS = (*APPLICATIONS, "vit_tiny")


def untrained(name: str, classes: int) -> Any:
    """From float32 [N, 224, 224, 3] in 0..255 to logits [N, classes]."""
    import keras
    from keras import layers

    image = keras.Input((SIZE, SIZE, 3), name="image")
    bare = name in ("resnet50", "vit_tiny")
    scaled = layers.Rescaling(1 / 127.5, -1.0, name="normalise")(image) if bare else image
    return keras.Model(image, layers.Dense(classes, name="logits")(_features(name, scaled)), name=name)


def _features(name: str, x: Any) -> Any:
    import keras

    if name == "vit_tiny":
        from benchmarks.zoo.families import transformer

        return transformer(x, **VIT_TINY)
    build = getattr(keras.applications, APPLICATIONS[name])
    base = build(input_shape=(SIZE, SIZE, 3), include_top=False, weights=None)
    return keras.layers.GlobalAveragePooling2D(name="pool")(base(x))


def settle(network: Any, images: Images) -> None:
    """Give batch norms the statistics of these images [N, 224, 224, 3]."""
    import keras

    norms = [each for each in network._flatten_layers() if isinstance(each, keras.layers.BatchNormalization)]
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    network(images.astype(np.float32), training=True)
    for norm, momentum in zip(norms, kept, strict=True):
        norm.momentum = momentum


def fit_head(network: Any, images: Images, labels: np.ndarray[Any, np.dtype[np.int64]], classes: int) -> None:
    """Fit the last layer to images uint8 [N, 224, 224, 3]."""
    import keras

    body = keras.Model(network.input, network.layers[-1].input)
    parts = [body.predict_on_batch(images[i : i + BATCH].astype(np.float32)) for i in range(0, len(images), BATCH)]
    network.layers[-1].set_weights(fitted(np.concatenate(parts), labels, classes))


def main(arguments: Sequence[str]) -> int:
    """Build, fit, save."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.large network", description=__doc__, formatter_class=style)
    parser.add_argument("name", choices=NETWORKS)
    parser.add_argument("--prepared", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args(arguments)
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras

    keras.utils.set_random_seed(0)
    given = Prepared(chosen.prepared)
    train, classes = given.split("train"), len(given.manifest.classes)
    network = untrained(chosen.name, classes)
    settle(network, train.images[:: max(1, len(train.labels) // BATCH)][:BATCH])
    fit_head(network, train.images, train.labels, classes)
    with whole_file(chosen.out) as partial:
        network.save(partial)
    return 0
