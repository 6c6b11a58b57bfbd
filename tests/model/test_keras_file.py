"""A trained Keras model of one's own: taken as it is, with its preprocessing in front, or refused in words."""

import dataclasses

import numpy as np
import pytest

from roundoff.errors import ConfigError, DataError
from roundoff.model.keras_file import KerasFile, OpenKeras

SHAPE, CLASSES = (8, 8, 3), tuple("abcde")
PIXELS = np.random.default_rng(0).integers(0, 256, (6, *SHAPE), dtype=np.uint8)


def network(dtype="float32", shape=SHAPE, classes=5, batch=None, lambda_=False, activation="softmax"):
    import keras

    keras.utils.set_random_seed(0)
    image = keras.Input(shape, batch_size=batch, dtype=dtype)
    x = keras.layers.Lambda(lambda value: value + 1)(image) if lambda_ else image
    x = keras.layers.Rescaling(1 / 255)(x) if dtype == "uint8" else x
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3, strides=2, activation="relu")(x))
    return keras.Model(image, keras.layers.Dense(classes, activation=activation)(x))


@pytest.fixture(params=[".keras", ".h5"])
def saved(tmp_path, request):
    def save(**values):
        path = tmp_path / f"model{request.param}"
        made = network(**values)
        made.save(path)
        return made, KerasFile(str(path))

    return save


class Whole:
    """What was taken, asked both as it is tried on images and as it is saved."""

    def __init__(self, taken):
        self.taken = taken

    def logits(self, images):
        found = self.taken.logits(images)
        np.testing.assert_allclose(np.asarray(self.taken.whole()(images)), found, rtol=1e-4, atol=1e-5)
        return found


def taken(model, classes=CLASSES, shape=SHAPE):
    return Whole(model.open(shape, classes).with_preprocessing(model.preprocessing))


def softmax(logits):
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


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


def test_a_file_of_features_is_no_classifier(tmp_path):
    import keras

    image = keras.Input(SHAPE)
    keras.Model(image, keras.layers.Conv2D(4, 3)(image)).save(tmp_path / "model.keras")
    with pytest.raises(DataError, match=r"does not answer with a number for each class(.|\n)*include_top=True"):
        taken(KerasFile(str(tmp_path / "model.keras")))


def test_what_is_quantized_already_is_refused_with_the_way_to_judge_it(tmp_path):
    import keras

    made = network()
    made.quantize("int8")
    made.save(tmp_path / "model.keras")
    (tmp_path / "model.tflite").touch()

    class QuantizeWrapper(keras.layers.Layer):  # type: ignore[misc]
        """As TensorFlow's Model Optimization Toolkit calls its own."""

        def call(self, values):
            return values

    image = keras.Input(SHAPE)
    keras.Model(image, keras.layers.Dense(5)(QuantizeWrapper()(image))).save(tmp_path / "trained.keras")
    for name, words in {
        "model.keras": r"is quantized already(.|\n)*dense\w* in int8(.|\n)*",
        "model.tflite": r"is a LiteRT model(.|\n)*",
        "trained.keras": r"QuantizeWrapper is a layer of quantization-aware training(.|\n)*TFLiteConverter(.|\n)*",
    }.items():
        with pytest.raises(DataError, match=words + r"precision=\[fp32,fp16,int8,given\] given.given.path="):
            taken(KerasFile(str(tmp_path / name)))


def test_code_in_the_file_is_refused(saved):
    _, model = saved(lambda_=True)
    with pytest.raises(DataError, match=r"does not load as a Keras model(.|\n)*a Lambda is a program"):
        taken(model)


def test_hostile_code_in_an_h5_file_does_not_run(tmp_path):
    import keras

    seen = tmp_path / "seen"
    image = keras.Input(SHAPE)
    # the name is looked up when the function runs, as a hostile one would look up its tools
    poisoned = keras.layers.Lambda(lambda x, at=str(seen): [x for _ in [open(at, "w")]][0])(image)  # noqa: PTH123, SIM115, RUF015
    keras.Model(image, keras.layers.Dense(5)(keras.layers.Flatten()(poisoned))).save(tmp_path / "model.h5")
    seen.unlink(missing_ok=True)  # building it ran it
    with pytest.raises(DataError, match="a Lambda is a program"):
        taken(KerasFile(str(tmp_path / "model.h5")))
    assert not seen.exists()


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_layer_of_ones_own_is_named_with_the_way_to_register_it(tmp_path, suffix):
    import keras

    @keras.saving.register_keras_serializable("mine")
    class Doubled(keras.layers.Layer):  # type: ignore[misc]
        def call(self, x):
            return 2 * x

    image = keras.Input(SHAPE)
    path = tmp_path / f"model.{suffix}"
    keras.Model(image, keras.layers.Dense(5)(keras.layers.Flatten()(Doubled()(image)))).save(path)
    taken(KerasFile(str(path)))
    keras.saving.get_custom_objects().clear()
    words = r"Doubled is neither(.|\n)*registers Doubled(.|\n)*model._target_=MODULE.CLASS"
    with pytest.raises(DataError, match=words):
        taken(KerasFile(str(path)))


def test_a_model_that_does_not_know_its_input_is_refused(tmp_path):
    import keras

    @keras.saving.register_keras_serializable("mine")
    class Own(keras.Model):  # type: ignore[misc]
        def __init__(self, **values):
            super().__init__(**values)
            self.flat, self.dense = keras.layers.Flatten(), keras.layers.Dense(5)

        def call(self, x):
            return self.dense(self.flat(x))

    made = Own()
    made(PIXELS.astype(np.float32))
    made.save(tmp_path / "model.keras")
    with pytest.raises(DataError, match=r"does not know its own input(.|\n)*keras.Model\(image, model\(image\)\)"):
        taken(KerasFile(str(tmp_path / "model.keras")))


def test_a_file_that_is_none_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"model\.path names no file"):
        taken(KerasFile(str(tmp_path / "model.keras")))
    (tmp_path / "model.keras").write_bytes(b"junk")
    with pytest.raises(DataError, match="does not load as a Keras model"):
        taken(KerasFile(str(tmp_path / "model.keras")))


def test_a_scale_for_a_model_that_takes_pixels_is_refused(saved):
    _, model = saved(dtype="uint8")
    with pytest.raises(ConfigError, match=r"model.scale(.|\n)*whose input is uint8"):
        taken(dataclasses.replace(model, scale="1/255"))
