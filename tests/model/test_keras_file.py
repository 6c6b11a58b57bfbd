"""A trained Keras model of one's own: taken as it is, with its preprocessing in front, or refused in words."""

import dataclasses

import numpy as np
import pytest

from roundoff.errors import ConfigError, DataError
from roundoff.model.keras_file import KerasFile, OpenKeras
from tests.support.keras_files import CLASSES, PIXELS, SHAPE, network, softmax, taken


@pytest.fixture(params=[".keras", ".h5"])
def saved(tmp_path, request):
    def save(**values):
        path = tmp_path / f"model{request.param}"
        made = network(**values)
        made.save(path)
        return made, KerasFile(str(path))

    return save


def test_a_uint8_model_gets_the_pixels_and_gives_its_logits(saved):
    made, model = saved(dtype="uint8")
    wanted = made.predict(PIXELS, verbose=0)
    np.testing.assert_allclose(softmax(taken(model).logits(PIXELS)), wanted, rtol=1e-5, atol=1e-6)
    assert np.abs(taken(model).logits(PIXELS).sum(axis=1) - 1).max() > 1e-3  # no probabilities


def test_a_float_model_gets_scaled_pixels(saved):
    made, model = saved()
    logits = taken(dataclasses.replace(model, scale="1/127.5", offset=-1)).logits(PIXELS)
    wanted = made.predict(PIXELS.astype(np.float32) / np.float32(127.5) - 1, verbose=0)
    np.testing.assert_allclose(softmax(logits), wanted, rtol=1e-5, atol=1e-6)


def test_numbers_per_channel_come_in_the_models_order(saved):
    made, model = saved()
    model = dataclasses.replace(model, scale="1/255", mean=[0.4, 0.5, 0.6], std=[0.1, 0.2, 0.3], channel_order="bgr")
    values = (PIXELS[..., ::-1] / 255 - [0.4, 0.5, 0.6]) / [0.1, 0.2, 0.3]
    wanted = made.predict(values.astype(np.float32), verbose=0)
    np.testing.assert_allclose(softmax(taken(model).logits(PIXELS)), wanted, rtol=1e-4, atol=1e-6)


def test_the_order_of_the_classes_is_the_datasets(saved):
    made, model = saved(dtype="uint8", classes=6)
    model = dataclasses.replace(model, classes=["background", "e", "d", "c", "b", "a"])
    wanted = made.predict(PIXELS, verbose=0)[:, [5, 4, 3, 2, 1]]
    found = taken(model).logits(PIXELS)
    np.testing.assert_allclose(softmax(found), wanted / wanted.sum(axis=1, keepdims=True), rtol=1e-5)


def test_one_probability_becomes_two_logits(saved):
    made, model = saved(dtype="uint8", classes=1, activation="sigmoid")
    wanted = made.predict(PIXELS, verbose=0)[:, 0]
    found = softmax(taken(model, ("no", "yes")).logits(PIXELS))
    np.testing.assert_allclose(found[:, 1], wanted, rtol=1e-5)


def test_a_size_that_is_open_is_the_datasets(saved):
    made, model = saved(shape=(None, None, 3))
    wanted = made.predict(PIXELS.astype(np.float32), verbose=0)
    np.testing.assert_allclose(softmax(taken(model).logits(PIXELS)), wanted, rtol=1e-5, atol=1e-6)


def test_a_model_inside_a_model_and_a_softmax_layer_give_logits(tmp_path):
    import keras

    image = keras.Input(SHAPE)
    inner = network()
    keras.Model(image, inner(image)).save(tmp_path / "nested.keras")
    plain = network(activation=None)
    keras.Sequential([plain, keras.layers.Softmax()]).save(tmp_path / "layer.keras")
    for name in ("nested", "layer"):
        opened = KerasFile(str(tmp_path / f"{name}.keras")).open(SHAPE, CLASSES)
        assert isinstance(opened, OpenKeras)
        assert opened.head_removed == "softmax"
        logits = opened.with_preprocessing(KerasFile("x").preprocessing).logits(PIXELS)
        np.testing.assert_allclose(logits, plain(PIXELS.astype(np.float32)), rtol=1e-5, atol=1e-5)


def two_headed(path):
    import keras

    image = keras.Input(SHAPE, dtype="uint8")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image))
    made = keras.Model(image, {"species": keras.layers.Dense(5)(x), "age": keras.layers.Dense(1)(x)})
    made.save(path)
    return made


def test_one_of_several_outputs_is_chosen_by_name(tmp_path):
    made = two_headed(tmp_path / "model.keras")
    model = KerasFile(str(tmp_path / "model.keras"))
    with pytest.raises(ConfigError, match=r"has several outputs(.|\n)*age, species(.|\n)*model.output="):
        taken(model)
    with pytest.raises(ConfigError, match=r"has no output size"):
        taken(dataclasses.replace(model, output="size"))
    wanted = made.predict(PIXELS, verbose=0)["species"]
    np.testing.assert_allclose(taken(dataclasses.replace(model, output="species")).logits(PIXELS), wanted, rtol=1e-4)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"shape": (9, 8, 3)}, r"other images(.|\n)*9 × 8 × 3(.|\n)*8 × 8 × 3(.|\n)*dataset.size=\[9,8\]"),
        ({"shape": (8, 8, 1)}, r"other images(.|\n)*fix: +set dataset.channels=1,"),
        ({"classes": 4}, r"another number of classes(.|\n)*4 answers(.|\n)*model.classes"),
        ({"classes": 6}, r"another number of classes(.|\n)*background"),
        ({"shape": (3, 9, 9)}, r"channels first"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_with_the_fix_for_it(saved, values, message):
    import keras

    if values.get("shape") == (3, 9, 9):
        keras.config.set_image_data_format("channels_first")
    try:
        _, model = saved(**values)
    finally:
        keras.config.set_image_data_format("channels_last")
    with pytest.raises(DataError, match=message):
        taken(model)


@pytest.mark.parametrize("batch", [1, 4])
def test_a_fixed_batch_is_opened(saved, batch):
    made, model = saved(batch=batch, activation="linear")
    found = taken(model).logits(PIXELS)
    wanted = np.concatenate([np.asarray(made(np.repeat(each[None], batch, axis=0)))[:1] for each in PIXELS * 1.0])
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_a_fixed_batch_inside_a_model_is_opened_too_and_its_softmax_found(tmp_path):
    import keras

    inner = network(batch=2)
    image = keras.Input(SHAPE, batch_size=2)
    keras.Model(image, inner(image)).save(tmp_path / "model.keras")
    found = taken(KerasFile(str(tmp_path / "model.keras"))).logits(PIXELS)
    wanted = np.concatenate([np.asarray(inner(PIXELS[i : i + 2] * 1.0)) for i in (0, 2, 4)])
    np.testing.assert_allclose(softmax(found), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("stateful", r"for others\n  received: .*stateful(.|\n)*without batch_size"),
        ("mixing", r"for others\n  received: built for any batch it answers otherwise: .*difference of"),
    ],
)
def test_a_batch_that_cannot_be_opened_is_refused_with_the_reason(tmp_path, kind, words):
    import keras

    image = keras.Input(SHAPE, batch_size=2)
    flat = keras.layers.Flatten()(image)
    if kind == "stateful":
        x = keras.layers.GRU(4, stateful=True)(keras.layers.Reshape((-1, 3))(image))
    else:  # each image less the mean of its batch
        x = flat - keras.ops.mean(flat, axis=0, keepdims=True) * 0.5
    keras.Model(image, keras.layers.Dense(5)(x)).save(tmp_path / "model.keras")
    with pytest.raises(DataError, match=words):
        taken(KerasFile(str(tmp_path / "model.keras")))


def test_code_in_the_file_is_refused(saved):
    _, model = saved(lambda_=True)
    with pytest.raises(DataError, match=r"does not load as a Keras model(.|\n)*a Lambda is a program"):
        taken(model)


def test_a_scale_for_a_model_that_takes_pixels_is_refused(saved):
    _, model = saved(dtype="uint8")
    with pytest.raises(ConfigError, match=r"model.scale(.|\n)*whose input is uint8"):
        taken(dataclasses.replace(model, scale="1/255"))
