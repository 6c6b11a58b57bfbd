"""HDF5 files of Keras 2 with models inside: as transfer learning and Teachable Machine make them."""

import json
from typing import Any

import h5py
import numpy as np
import pytest

from roundoff.errors import DataError
from roundoff.model.keras_file import KerasFile

SHAPE, CLASSES = (8, 8, 3), tuple("abcde")
PIXELS = np.random.default_rng(0).integers(0, 256, (6, *SHAPE), dtype=np.uint8)


def layer(kind, name, nodes=None, **config):
    told = {"class_name": kind, "config": {"name": name, **config}}
    return told if nodes is None else told | {"name": name, "inbound_nodes": nodes}


def taken(name, shape, nodes=None):
    return layer("InputLayer", name, nodes, batch_input_shape=[None, *shape])


def called(name, call=0):
    return [name, call, 0, {}]


def sequential(name, *layers, **more):
    return layer("Sequential", name, layers=list(layers), **more)


def functional(name, layers, output, nodes=None):
    ends = {"input_layers": [[layers[0]["name"], 0, 0]], "output_layers": [output]}
    return layer("Functional", name, nodes, layers=layers, **ends)


def base(nodes=None):
    layers = [
        taken("pixels", SHAPE, []),
        layer("DepthwiseConv2D", "filtered", [[called("pixels")]], kernel_size=[3, 3], groups=1),
        layer("BatchNormalization", "normed", [[called("filtered")]], axis=[3]),
    ]
    return functional("base", layers, ["normed", 0, 0], nodes)


def pool(nodes=None):
    return layer("GlobalAveragePooling2D", "pooled", nodes)


def dense(nodes=None, **more):
    return layer("Dense", "classes", nodes, units=5, **more)


def teachable_machine():
    features = sequential("features", taken("first", SHAPE), base(), pool())
    head = sequential("head", taken("second", [3]), dense(batch_input_shape=[None, 3]))
    return sequential("whole", taken("image", SHAPE), features, head)


def before_input_layers():
    """A first layer that says the images' shape, as before Keras 2.3."""
    first = layer("DepthwiseConv2D", "filtered", kernel_size=[3, 3], batch_input_shape=[None, *SHAPE])
    return sequential("whole", first, layer("BatchNormalization", "normed", axis=[3]), pool(), dense())


def list_of_layers():
    return before_input_layers() | {"config": before_input_layers()["config"]["layers"]}


def transfer():
    """The base has 0 for its own making, so its first call is 1."""
    layers = [
        taken("image", SHAPE, []),
        base([[called("image")]]),
        pool([[called("base", 1)]]),
        dense([[called("pooled")]]),
    ]
    return functional("whole", layers, ["classes", 0, 0])


def called_twice():
    layers = [
        taken("image", SHAPE, []),
        base([[called("image")], [called("image")]]),
        pool([[called("base", 1)], [called("base", 2)]]),
        layer("Maximum", "larger", [[called("pooled"), called("pooled", 1)]]),
        dense([[called("larger")]]),
    ]
    return functional("whole", layers, ["classes", 0, 0])


def saved(path, config):
    """A file of Keras 2 with this configuration, and what it answers to PIXELS."""
    import keras

    layers = keras.layers
    keras.utils.set_random_seed(0)
    inner = [layers.DepthwiseConv2D(3), layers.BatchNormalization()]
    pooled, classes = layers.GlobalAveragePooling2D(), layers.Dense(5)
    parts = [[keras.Sequential([keras.Input(SHAPE), *inner])], [*inner]]
    nested = "base" in json.dumps(config)
    made = keras.Sequential([keras.Input(SHAPE), *parts[not nested], pooled, classes])
    made.set_weights([np.random.default_rng(n).uniform(0.5, 1.5, w.shape) for n, w in enumerate(made.get_weights())])
    made.save(path)
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(config), "2.15.0"
    return made.predict(PIXELS.astype(np.float32), verbose=0)


@pytest.mark.parametrize(
    "config", [teachable_machine, before_input_layers, list_of_layers, transfer, called_twice], ids=lambda f: f.__name__
)
def test_a_model_of_keras_2_answers_as_it_did(config, tmp_path):
    wanted = saved(tmp_path / "model.h5", config())
    model = KerasFile(str(tmp_path / "model.h5"))
    found = model.open(SHAPE, CLASSES).with_preprocessing(model.preprocessing).logits(PIXELS)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-3)


def test_a_function_that_is_another_in_keras_3_is_refused(tmp_path):
    config = before_input_layers()
    config["config"]["layers"][-1]["config"]["activation"] = "hard_sigmoid"
    saved(tmp_path / "model.h5", config)
    with pytest.raises(DataError, match=r"hard_sigmoid of Keras 2(.|\n)*fix: (.|\n)*model.export"):
        KerasFile(str(tmp_path / "model.h5")).open(SHAPE, CLASSES)


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("SpatialDropout2D", {"rate": 0.1, "trainable": True, "noise_shape": None}),
        ("LayerNormalization", {"axis": [1, 2], "center": False, "scale": False}),
    ],
)
def test_arguments_that_keras_3_lost_are_read(kind, config, tmp_path):
    told = before_input_layers()
    told["config"]["layers"].insert(2, layer(kind, "more", **config))
    saved(tmp_path / "model.h5", told)
    opened: Any = KerasFile(str(tmp_path / "model.h5")).open(SHAPE, CLASSES)
    added = next(each for each in opened.network.layers if each.name == "more")
    assert list(getattr(added, "axis", [1, 2])) == [1, 2]
