"""A trained model of one's own: taken as it is, with its preprocessing in front, or refused in words."""

import dataclasses

import numpy as np
import pytest

from roundoff.errors import ConfigError, DataError
from roundoff.model.keras_file import KerasFile

SHAPE, CLASSES = (8, 8, 3), 5
PIXELS = np.random.default_rng(0).integers(0, 256, (6, *SHAPE), dtype=np.uint8)


def network(dtype="float32", shape=SHAPE, classes=CLASSES, batch=None, lambda_=False):
    import keras

    keras.utils.set_random_seed(0)
    image = keras.Input(shape, batch_size=batch, dtype=dtype)
    x = keras.layers.Lambda(lambda value: value + 1)(image) if lambda_ else image
    x = keras.layers.Rescaling(1 / 255)(x) if dtype == "uint8" else x
    x = keras.layers.Flatten()(keras.layers.Conv2D(4, 3, strides=2)(x))
    return keras.Model(image, keras.layers.Dense(classes, activation="softmax")(x))


@pytest.fixture
def saved(tmp_path):
    def save(**values):
        path = tmp_path / "model.keras"
        made = network(**values)
        made.save(path)
        return made, KerasFile(str(path))

    return save


def built(model):
    return model.build(SHAPE, CLASSES, (), ())


def test_a_uint8_model_is_taken_as_it_is(saved):
    made, model = saved(dtype="uint8")
    np.testing.assert_array_equal(built(model).predict(PIXELS, verbose=0), made.predict(PIXELS, verbose=0))


def test_a_float_model_gets_scaled_pixels(saved):
    made, model = saved()
    wrapped = built(dataclasses.replace(model, scale=1 / 127.5, offset=-1.0))
    assert (wrapped.inputs[0].dtype, tuple(wrapped.inputs[0].shape)) == ("uint8", (None, *SHAPE))
    wanted = made.predict(PIXELS.astype(np.float32) / np.float32(127.5) - 1, verbose=0)
    np.testing.assert_allclose(wrapped.predict(PIXELS, verbose=0), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("values", [{"shape": (9, 8, 3)}, {"classes": 4}, {"batch": 1}], ids=str)
def test_a_model_that_does_not_fit_the_dataset_is_refused(saved, values):
    _, model = saved(**values)
    with pytest.raises(DataError, match="does not fit the prepared dataset"):
        built(model)


def test_code_in_the_file_is_refused(saved):
    _, model = saved(lambda_=True)
    with pytest.raises(DataError, match="does not load as a Keras model"):
        built(model)


def test_a_file_that_is_none_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"model\.path names no file"):
        built(KerasFile(str(tmp_path / "model.keras")))
    (tmp_path / "model.keras").write_bytes(b"junk")
    with pytest.raises(DataError, match="does not load as a Keras model"):
        built(KerasFile(str(tmp_path / "model.keras")))
