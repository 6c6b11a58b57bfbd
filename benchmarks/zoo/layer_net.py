"""A network around a layer, its last layer fitted: `python -m benchmarks.zoo.layer_net NAME PREPARED TARGET`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.export.nets import CLASSES, layer_net
from roundoff.dataset.base import Prepared

FITTED_ON, RIDGE = 4000, 1e-2


def main(arguments: list[str]) -> int:
    """Build, fit, save."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras

    name, prepared, target = arguments
    keras.utils.set_random_seed(0)
    network = layer_net(name)
    train = Prepared(Path(prepared)).split("train")
    picked = np.random.default_rng(0).permutation(len(train.labels))[:FITTED_ON]
    fit_last(network, train.images[picked], train.labels[picked])
    network.save(target)
    return 0


def fit_last(network: Any, images: Any, labels: Any) -> None:
    """Ridge regression of the last Dense layer on one of `CLASSES` columns, 1 for the label and 0 elsewhere."""
    import keras

    features = keras.Model(network.input, network.layers[-1].input).predict(images, batch_size=250, verbose=0)
    mean = features.mean(0)
    centred, wanted = features - mean, np.eye(CLASSES)[labels]
    gram = centred.T @ centred
    ridge = RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    kernel = np.linalg.solve(gram + ridge, centred.T @ (wanted - wanted.mean(0)))
    network.layers[-1].set_weights([kernel, wanted.mean(0) - mean @ kernel])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
