"""A .tflite file of TensorFlow's converter: pixels in, logits out, whatever it took and gave before; or refused."""

import numpy as np
import pytest

from roundoff.backend.tflite.backend import LiteRT, layer_types
from roundoff.errors import ConfigError, DataError
from roundoff.export.given import write_fit
from roundoff.export.given_feeding import Beside
from roundoff.model.taking.preprocessing import Preprocessing
from roundoff.precision.given import Given

SHAPE, CLASSES = (8, 10, 3), tuple("abcde")
PIXELS = np.random.default_rng(0).integers(0, 256, (16, *SHAPE), dtype=np.uint8)
HALF = Preprocessing(scale=(1 / 127.5,), offset=(-1.0,))
IMAGENET = Preprocessing(scale=(1 / 255,), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), channel_order="bgr")


def values(fed, images=PIXELS):
    """What the network gets, float32."""
    factors, summands = map(np.array, fed.affine())
    ordered = images[..., ::-1] if fed.channel_order == "bgr" else images
    return (ordered * factors + summands).astype(np.float32)


@pytest.fixture(scope="module")
def network():
    import keras

    keras.utils.set_random_seed(0)
    image = keras.Input(SHAPE)
    x = keras.layers.Conv2D(8, 3, activation="relu")(image)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(16, 3, activation="relu")(x))
    return keras.Model(image, keras.layers.Dense(5)(x))


@pytest.fixture(scope="module")
def converted(network, tmp_path_factory):
    """Paths by preprocessing, type of input and output, and head; each converted once."""
    import keras
    import tensorflow as tf

    directory = tmp_path_factory.mktemp("tflite")
    made: dict[object, object] = {}

    def convert(fed=HALF, io="float32", head="linear", quantized=True, classes=5):
        path = directory / f"{len(made)}.tflite"
        key = (fed, io, head, quantized, classes)
        if key in made:
            return made[key]
        last = network.output if classes == 5 else keras.layers.Dense(1)(network.layers[-2].output)
        whole = keras.Model(network.input, keras.layers.Activation(head)(last))
        converter = tf.lite.TFLiteConverter.from_keras_model(whole)
        if quantized:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([each[None]] for each in values(fed))
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.as_dtype(io)
        path.write_bytes(converter.convert())
        made[key] = path
        return path

    return convert


def logits(path, tmp_path, fed=HALF, dataset=CLASSES, named=None, **settings):
    written = write_fit(Given(str(path), **settings), Beside(SHAPE, dataset, fed, named), "given.given", tmp_path)
    assert written.name == path.name
    written.rename(tmp_path / "model.tflite")
    with LiteRT(threads=1).load(tmp_path) as runner:
        together = runner.infer(PIXELS)
        np.testing.assert_array_equal(runner.infer(PIXELS[:3]), together[:3])
        return together


def close(found, wanted, steps=4):
    """Within some steps of an 8-bit grid over the answers."""
    return np.abs(found - wanted).max() <= steps * np.ptp(wanted) / 255


@pytest.mark.parametrize(
    "fed",
    [
        pytest.param(HALF, id="half"),
        pytest.param(IMAGENET, id="imagenet_bgr", marks=pytest.mark.slow),
        pytest.param(Preprocessing(), id="pixels", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("io", ["float32", "uint8", "int8"])
def test_pixels_come_in_and_logits_out(network, converted, tmp_path, fed, io):
    found = logits(converted(fed, io), tmp_path, fed)
    wanted = np.asarray(network(values(fed)))
    assert found.dtype == np.float32
    assert close(found, wanted, 12)
    assert layer_types(tmp_path / "model.tflite") == {"int8": 3}


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_a_softmax_at_the_end_is_left_out(network, converted, tmp_path, head):
    assert close(logits(converted(io="int8", head=head), tmp_path), np.asarray(network(values(HALF))), 12)


def test_one_answer_becomes_two_logits(converted, tmp_path):
    found = logits(converted(head="sigmoid", classes=1), tmp_path, dataset=("no", "yes"))
    assert found.shape == (16, 2)
    np.testing.assert_allclose(found[:, 0], -found[:, 1])


def test_answers_are_put_in_the_datasets_order(network, converted, tmp_path):
    wanted = np.asarray(network(values(HALF)))
    assert close(logits(converted(), tmp_path, named=tuple("edcba")), wanted[:, ::-1], 12)
    assert close(logits(converted(), tmp_path, dataset=("a", "b"), named=tuple("xabyz")), wanted[:, 1:3], 12)


def test_what_was_converted_from_the_model_that_train_left_has_all_inside(network, tmp_path):
    """From `image` uint8 to logits in the dataset's order, whatever the model's own file was."""
    import keras
    import tensorflow as tf

    image = keras.Input(SHAPE, dtype="uint8", name="image")
    whole = keras.Model(image, network(keras.layers.Rescaling(1 / 127.5, -1.0)(image)))
    converter = tf.lite.TFLiteConverter.from_keras_model(whole)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([each[None]] for each in PIXELS)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
    path = tmp_path / "own.tflite"
    path.write_bytes(converter.convert())
    found = logits(path, tmp_path, IMAGENET, named=tuple("edcba"))
    assert close(found, np.asarray(network(values(HALF))), 12)


def test_settings_of_its_own_stand_before_the_models(network, converted, tmp_path):
    found = logits(converted(), tmp_path, IMAGENET, scale="1/127.5", offset=-1)
    assert close(found, np.asarray(network(values(HALF))), 12)


@pytest.mark.parametrize(
    ("made", "settings", "error", "words"),
    [
        ({"quantized": False}, {}, DataError, r"is not quantized(.|\n)*3 layers in float32(.|\n)*model=keras_file"),
        ({}, {"weights": "float8_e4m3fn"}, ConfigError, r"other types(.|\n)*set given.given.weights=int8$"),
        ({}, {"output": "age"}, ConfigError, r"has no output age(.|\n)*set given.given.output="),
        ({}, {"classes": ["a"]}, ConfigError, r"given.given.classes does not name each(.|\n)*1 names for 5"),
        ({}, {"scale": "x"}, ConfigError, r"given.given.scale cannot be used"),
    ],
    ids=["float", "types", "output", "classes", "scale"],
)
def test_what_does_not_fit_is_refused_with_the_setting_that_mends_it(converted, tmp_path, made, settings, error, words):
    with pytest.raises(error, match=words):
        logits(converted(**made), tmp_path, **settings)


def test_images_of_another_size_are_refused(converted, tmp_path):
    with pytest.raises(DataError, match=r"other images(.|\n)*8 × 10 × 3(.|\n)*9 × 10 × 3(.|\n)*dataset.size=\[8,10\]"):
        write_fit(Given(str(converted())), Beside((9, 10, 3), CLASSES), "given.given", tmp_path)


def test_what_is_no_tflite_file_is_refused(tmp_path):
    path = tmp_path / "model.tflite"
    with pytest.raises(ConfigError, match=r"given.given.path names no file"):
        logits(path, tmp_path)
    path.write_bytes(b"PK\3\4 and so on")
    with pytest.raises(DataError, match="is no LiteRT model"):
        logits(path, tmp_path)
    path.write_bytes(b"\0\0\0\0TFL3\xff\xff\xff")
    with pytest.raises(DataError, match="is no LiteRT model"):
        logits(path, tmp_path)
