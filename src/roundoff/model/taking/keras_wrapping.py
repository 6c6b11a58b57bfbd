"""A Keras model made to take pixels and to give logits, and written without the moment it was saved at."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from roundoff.model.base import OUTPUT_NAME
from roundoff.model.taking.preprocessing import Preprocessing
from roundoff.system.files import whole_file

if TYPE_CHECKING:
    import keras

HALVES = np.array([[-0.5, 0.5]], np.float32)


def preprocessed(image: Any, preprocessing: Preprocessing, uint8: bool) -> Any:
    """What the network gets for `image` uint8 [N, H, W, C]: the same type if it takes that, else float32."""
    import keras

    values = image
    if not uint8:
        factors, summands = (each[0] if len(each) == 1 else list(each) for each in preprocessing.affine())
        if preprocessing.channel_order == "bgr":
            values = keras.layers.Rescaling(1.0, dtype="float32", name="floats")(values)
            values = keras.ops.take(values, [2, 1, 0], axis=-1)
        return keras.layers.Rescaling(factors, summands, dtype="float32", name="pixels")(values)
    return keras.ops.take(values, [2, 1, 0], axis=-1) if preprocessing.channel_order == "bgr" else values


def headed(answers: Any, columns: Sequence[int]) -> Any:
    """Logits [N, classes] of a network's `answers`: [N, K], or one number z each, which becomes −z/2 and z/2.

    The softmax of these two is z's sigmoid.
    """
    import keras

    if len(answers.shape) > 2:
        answers = keras.layers.Flatten(name="flat")(answers)
    if answers.shape[-1] == 1:
        two = keras.layers.Dense(2, use_bias=False, dtype="float32", name="two_logits")
        two.build(answers.shape)
        two.set_weights([HALVES])
        answers = two(answers)
    if tuple(columns) != tuple(range(answers.shape[-1])):
        answers = keras.ops.take(answers, list(columns), axis=-1)
    return keras.layers.Identity(dtype="float32", name=OUTPUT_NAME)(answers)


def without_softmax(network: keras.Model, output: int) -> tuple[keras.Model, str | None]:
    """The model before a softmax or sigmoid that gives the output, and that function's name; else as it is, and None.

    Neither changes which class is the largest, and logits say more of an error than probabilities do.
    """
    import keras

    tensor = network.outputs[output]
    last, inner = tensor._keras_history.operation, network
    while isinstance(last, keras.Model) and len(last.outputs) == 1:  # a model inside the model
        inner = last
        last = inner.outputs[0]._keras_history.operation
    softening = {keras.activations.softmax: "softmax", keras.activations.sigmoid: "sigmoid"}
    activation = getattr(last, "activation", None)
    if activation in softening:
        last.activation = keras.activations.linear  # a graph of layers calls them again when it is put behind another
        return network, softening[activation]
    kinds = {"Softmax": "softmax", "Sigmoid": "sigmoid"}
    if inner is network and type(last).__name__ in kinds:
        before = keras.tree.flatten(tensor._keras_history.operation.input)
        outputs = [*network.outputs[:output], before[0], *network.outputs[output + 1 :]]
        return keras.Model(network.inputs, outputs), kinds[type(last).__name__]
    return network, None


def save(network: keras.Model, path: Path) -> None:
    """Write a .keras file for inference, without the optimizer, atomically; equal models give equal bytes."""
    plain = type(network).from_config(network.get_config())
    plain.set_weights(network.get_weights())
    with whole_file(path) as partial:
        plain.save(partial)
        _forget_time(partial)


def _forget_time(path: Path) -> None:
    """Rewrite a .keras file without the moment it was saved at, so that DVC sees equal models as equal."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    metadata = json.loads(members["metadata.json"])
    members["metadata.json"] = json.dumps({**metadata, "date_saved": "1980-01-01@00:00:00"}).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
