"""A TensorFlow SavedModel: taken as it is, exported, converted for LiteRT, or refused in words."""

import dataclasses
import json

import numpy as np
import onnx
import pytest

from roundoff.backend.tflite.backend import LiteRT
from roundoff.dataset.base import Prepared
from roundoff.errors import ConfigError, DataError
from roundoff.export.onnx_from_keras import Export
from roundoff.export.parity import onnx_logits
from roundoff.model.keras_file import KerasFile
from roundoff.results.checked import as_json
from roundoff.training.taking import take
from tests.support.present import present

SHAPE, CLASSES = (8, 10, 3), tuple("abcde")
PIXELS = np.random.default_rng(0).integers(0, 256, (40, *SHAPE), dtype=np.uint8)


def network(shape=SHAPE, classes=5, activation="softmax", hidden="relu"):
    import keras

    keras.utils.set_random_seed(0)
    image = keras.Input(shape, name="picture")
    x = keras.layers.Conv2D(8, 3, activation=hidden)(image)
    x = keras.layers.Conv2D(128, 3, activation=hidden)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(classes, activation=activation)(x))


@pytest.fixture
def saved(tmp_path):
    def save(**values):
        made = network(**values)
        made.export(tmp_path / "given", verbose=False)
        return made, KerasFile(str(tmp_path / "given"), scale="1/255", check_preprocessing=False)

    return save


@pytest.fixture
def prepared(tmp_path):
    directory = tmp_path / "prepared"
    directory.mkdir()
    np.save(directory / "train_images.npy", PIXELS)
    np.save(directory / "train_labels.npy", np.arange(40) % 5)
    manifest = {"classes": CLASSES, "shape": SHAPE, "calibration_indices": list(range(20))}
    (directory / "manifest.json").write_text(json.dumps(manifest))
    return Prepared(directory)


def logits(model, classes=CLASSES):
    return model.open(SHAPE, classes).with_preprocessing(model.preprocessing).logits(PIXELS)


def softmax(values):
    raised = np.exp(values - values.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_pixels_get_the_preprocessing(saved, order):
    made, model = saved()
    model = dataclasses.replace(model, channel_order=order, mean=[0.1, 0.2, 0.3])
    values = PIXELS[..., :: -1 if order == "bgr" else 1] / 255 - [0.1, 0.2, 0.3]
    wanted = made.predict(values.astype(np.float32), verbose=0)
    np.testing.assert_allclose(softmax(logits(model)), wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("activation", "removed"), [("softmax", "softmax"), ("linear", None), ("relu", None)])
def test_a_softmax_at_the_end_is_left_out_and_nothing_else(saved, tmp_path, activation, removed):
    made, model = saved(activation=activation)
    opened = model.open(SHAPE, CLASSES)
    assert opened.head_removed == removed
    found = opened.with_preprocessing(model.preprocessing).logits(PIXELS)
    made.layers[-1].activation = None if activation == "softmax" else made.layers[-1].activation
    wanted = made(PIXELS.astype(np.float32) / 255)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("activation", ["sigmoid", "linear"])
def test_one_answer_becomes_two_logits(saved, activation):
    made, model = saved(classes=1, activation=activation)
    found = logits(model, ("no", "yes"))
    made.layers[-1].activation = None
    z = np.asarray(made(PIXELS.astype(np.float32) / 255))
    np.testing.assert_allclose(found, np.hstack([-z / 2, z / 2]), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("activation", ["sigmoid", "linear"])
def test_where_the_graph_cannot_be_frozen_one_answer_becomes_two(saved, monkeypatch, activation):
    from tensorflow.python.framework import convert_to_constants

    def fails(*_, **__):
        raise ValueError("a table")

    monkeypatch.setattr(convert_to_constants, "convert_variables_to_constants_v2", fails)
    made, model = saved(classes=1, activation=activation)
    wanted = made.predict(PIXELS.astype(np.float32) / 255, verbose=0)
    two = [1 - wanted, wanted] if activation == "sigmoid" else [-wanted / 2, wanted / 2]
    np.testing.assert_allclose(logits(model, ("no", "yes")), np.hstack(two), rtol=1e-4, atol=1e-6)


def test_one_of_several_outputs_loses_its_softmax(tmp_path):
    import keras

    keras.utils.set_random_seed(0)
    image = keras.Input(SHAPE)
    flat = keras.layers.Flatten()(image)
    heads = {name: keras.layers.Dense(5, activation=kind)(flat) for name, kind in (("b", "softmax"), ("a", "linear"))}
    made = keras.Model(image, heads)
    made.export(tmp_path / "given", verbose=False)
    wanted = made(PIXELS.astype(np.float32))
    model = KerasFile(str(tmp_path / "given"), output="b")
    np.testing.assert_allclose(softmax(logits(model)), wanted["b"], rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(logits(dataclasses.replace(model, output="a")), wanted["a"], rtol=1e-3, atol=1e-3)


def test_answers_are_put_in_the_datasets_order(saved):
    made, model = saved(classes=6)
    wanted = made.predict(PIXELS.astype(np.float32) / 255, verbose=0)[:, [5, 4, 3, 2, 1]]
    found = softmax(logits(dataclasses.replace(model, classes=["background", *"edcba"])))
    np.testing.assert_allclose(found, wanted / wanted.sum(axis=1, keepdims=True), rtol=1e-4, atol=1e-6)


@pytest.mark.slow  # TensorFlow's converters
@pytest.mark.parametrize("hidden", ["swish", "gelu"])
def test_an_activation_with_a_gradient_of_its_own_is_taken(saved, prepared, tmp_path, hidden):
    import tensorflow as tf

    made, model = saved(hidden=hidden)
    take(model, prepared, np.arange(40), tmp_path)
    taken = tf.saved_model.load(str(tmp_path / "saved_model"))
    answers = taken.signatures["serving_default"](image=tf.constant(PIXELS))
    wanted = made.predict(PIXELS.astype(np.float32) / 255, verbose=0)
    np.testing.assert_allclose(softmax(np.asarray(answers["logits"])), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.slow  # two converters
@pytest.mark.parametrize("lifted", [True, False])
def test_it_is_exported_and_converted_for_litert(saved, prepared, tmp_path, monkeypatch, lifted):
    from roundoff.export import saved as export

    monkeypatch.setattr(export, "RECURRENT_BYTES", 0 if lifted else 1 << 30)
    made, model = saved()
    take(model, prepared, np.arange(40), tmp_path)
    described = json.loads((tmp_path / "model.json").read_text())
    assert (described["form"], described["file"]) == ("saved_model", "saved_model")
    assert list(described) == ["format", "form", "file", "head_removed", "trained", "sha256", "preprocessing"]
    facts = Export(18, 20, 1e-4).onnx_from_trained(tmp_path, prepared, tmp_path / "model.onnx")
    assert present(facts.relative_error) < 1e-5
    assert "Conv" in present(facts.nodes)
    graph = onnx.load(tmp_path / "model.onnx").graph
    named = {
        *(node.name for node in graph.node),
        *(name for node in graph.node for name in (*node.input, *node.output)),
    }
    assert not [name for name in named if "PartitionedCall" in name or name.endswith(":0")]
    assert described["head_removed"] == "softmax"
    wanted = made.predict(PIXELS.astype(np.float32) / 255, verbose=0)
    np.testing.assert_allclose(softmax(onnx_logits(tmp_path / "model.onnx", PIXELS)), wanted, rtol=1e-4, atol=1e-5)
    (prepared.directory / "manifest.json").write_text(
        json.dumps(as_json(dataclasses.replace(prepared.manifest, shape=[9, 9, 3])))
    )
    np.save(prepared.directory / "train_images.npy", np.zeros((40, 9, 9, 3), np.uint8))
    with pytest.raises(DataError, match=r"does not fit the prepared dataset(.|\n)*\(8, 10, 3\)(.|\n)*\(9, 9, 3\)"):
        Export(18, 20, 1e-4).onnx_from_trained(tmp_path, prepared, tmp_path / "other.onnx")
    Export(18, 20, 1e-4).tflite_from_trained(tmp_path, tmp_path / "tflite")
    with LiteRT(threads=1).load(tmp_path / "tflite") as runner:
        np.testing.assert_allclose(softmax(runner.infer(PIXELS)), wanted, rtol=1e-4, atol=1e-5)


def test_what_does_not_fit_is_refused(saved, tmp_path):
    _, model = saved(shape=(9, 9, 3))
    with pytest.raises(DataError, match=r"other images(.|\n)*set dataset.size=9,"):
        logits(model)
    with pytest.raises(ConfigError, match="has no output age"):
        logits(dataclasses.replace(saved()[1], output="age"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="does not load as a SavedModel"):
        logits(dataclasses.replace(model, path=str(tmp_path / "empty")))


def test_a_model_without_a_signature_is_refused(tmp_path):
    import tensorflow as tf

    tf.saved_model.save(tf.Module(), str(tmp_path / "bare"))
    with pytest.raises(DataError, match=r"does not say which function(.|\n)*signatures none(.|\n)*serving_default"):
        logits(KerasFile(str(tmp_path / "bare")))


def fixed(folder, function, size, dtype="float32"):
    import tensorflow as tf

    module = tf.Module()
    module.function = tf.function(function, autograph=False)
    images = tf.TensorSpec((size, *SHAPE), dtype, name="picture")
    signature = module.function.get_concrete_function(images)
    tf.saved_model.save(module, str(folder), signatures={"serving_default": signature})
    return KerasFile(str(folder), check_preprocessing=False)


def one_by_one(function, size):
    return np.concatenate([np.asarray(function(np.repeat(image[None], size, 0)))[:1] for image in PIXELS / 255])


@pytest.mark.slow  # TensorFlow's converters
@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("activation", ["softmax", "relu"])
def test_a_fixed_batch_is_opened_with_the_answers_of_the_model_as_it_was(tmp_path, size, activation):
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    image = keras.Input(batch_shape=(size, *SHAPE), name="picture")
    x = keras.layers.Conv2D(8, 3, activation="relu")(image)
    x = keras.layers.Flatten()(keras.layers.Reshape((4, 12, 8))(x))
    made = keras.Model(image, keras.layers.Dense(5, activation=activation)(x))
    made.export(tmp_path / "given", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "given")).signatures["serving_default"]
    wanted = one_by_one(lambda batch: loaded(picture=tf.constant(batch, tf.float32))["output_0"], size)
    found = logits(KerasFile(str(tmp_path / "given"), scale="1/255", check_preprocessing=False))
    np.testing.assert_allclose(softmax(found) if activation == "softmax" else found, wanted, rtol=1e-4, atol=1e-6)


def test_a_fixed_batch_of_a_function_with_several_outputs_and_a_pixel_input_is_opened(tmp_path):
    import tensorflow as tf

    weights = np.random.default_rng(1).normal(size=(240, 5)).astype(np.float32)

    def answer(picture):
        flat = tf.reshape(tf.cast(picture, tf.float32), [2, 240])
        return {"other": flat[:, :3], "classes": tf.nn.softmax(flat @ weights / 1e4)}

    model = dataclasses.replace(fixed(tmp_path / "given", answer, 2, "uint8"), output="classes")
    wanted = softmax(PIXELS.reshape(40, 240).astype(np.float32) @ weights / 1e4)
    np.testing.assert_allclose(softmax(logits(model)), wanted, rtol=1e-4, atol=1e-6)


def test_a_fixed_batch_that_a_node_needs_is_refused_by_its_name(tmp_path):
    import tensorflow as tf

    def centred(picture):
        flat = tf.reshape(picture, [4, 240])
        return tf.subtract(flat, tf.reduce_mean(flat, axis=0), name="centred")[:, :5]

    def with_token(picture):
        return tf.concat([tf.zeros([4, 1]), tf.reshape(picture, [4, 240])], 1, name="token")[:, :5]

    with pytest.raises(DataError, match=r"made for a batch of 4(.|\n)*part at Sub centred(.|\n)*TensorSpec\(\[None"):
        logits(fixed(tmp_path / "centred", centred, 4))
    with pytest.raises(DataError, match=r"made for a batch of 4(.|\n)*received: token: (.|\n)*TensorSpec\(\[None"):
        logits(fixed(tmp_path / "token", with_token, 4))
