"""Keras files that cannot be taken: quantized, with code, or no classifier."""

import numpy as np
import pytest

from roundoff.errors import ConfigError, DataError
from roundoff.model.keras_file import KerasFile
from tests.support.keras_files import PIXELS, SHAPE, network, taken


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
