"""A Keras model that was built for one batch size, built anew for any."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from roundoff.errors import DataError
from roundoff.system.said import said

if TYPE_CHECKING:
    import keras

TOLERANCE = 1e-4


def with_open_batch(path: Path, network: keras.Model) -> keras.Model:
    """The model itself where its batch is open; else the same layers and weights behind an open input.

    Raises DataError where they cannot be built so (a stateful GRU, a reshape to the batch size), or answer otherwise.
    """
    size = network.inputs[0].shape[0]
    if size is None:
        return network
    try:
        opened = _rebuilt(network)
        difference = _difference(network, opened, size)
    except Exception as error:  # Keras raises whatever the layers do
        raise _fixed(path, size, said(error)[:500]) from error
    if not difference <= TOLERANCE:
        raise _fixed(path, size, f"built for any batch it answers otherwise: a relative difference of {difference:.1e}")
    return opened


def _rebuilt(network: keras.Model) -> keras.Model:
    import keras

    taken = network.inputs[0]
    image = keras.Input(taken.shape[1:], dtype=taken.dtype, name=taken.name)
    opened: keras.Model = keras.models.clone_model(network, input_tensors=image)
    opened.set_weights(network.get_weights())
    return opened


def _difference(network: keras.Model, opened: keras.Model, size: int) -> float:
    """How far the answers to two images at once are from those that the model as it was gives to each."""
    taken = network.inputs[0]
    images = np.random.default_rng(0).integers(0, 256, (2, *(length or 32 for length in taken.shape[1:])))
    given = images.astype("uint8" if taken.dtype == "uint8" else "float32")
    alone = [_answers(network, np.repeat(given[i : i + 1], size, axis=0)) for i in (0, 1)]
    pairs = zip(*alone, _answers(opened, given), strict=True)
    return max(_relative(np.stack([first[0], second[0]]), both) for first, second, both in pairs)


def _answers(network: keras.Model, images: Any) -> list[Any]:
    import keras

    return [np.asarray(each) for each in keras.tree.flatten(network(images, training=False))]


def _relative(wanted: Any, got: Any) -> float:
    if wanted.shape != got.shape:
        return float("inf")
    return float(np.linalg.norm(got - wanted) / max(float(np.linalg.norm(wanted)), 1e-6))


def _fixed(path: Path, size: int, received: str) -> DataError:
    return DataError(
        f"{path} is made for a batch of {size}, and cannot be opened for others",
        received=received,
        expected="layers that take a batch of any size, and answer for each image alone",
        fix="build it with keras.Input(SHAPE), without batch_size; take over the weights; and save that",
    )
