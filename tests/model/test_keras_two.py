"""Files that Keras 2 wrote: read as they are, or refused with what to save instead."""

import json
import zipfile

import h5py
import numpy as np
import pytest

from roundoff.errors import DataError
from roundoff.model.keras_file import KerasFile
from roundoff.model.taking.keras_two import modernised

SHAPE, CLASSES = (8, 8, 3), tuple("abcde")
PIXELS = np.random.default_rng(0).integers(0, 256, (6, *SHAPE), dtype=np.uint8)
OLD_NAMES = {"stem_norm": "stem/norm", "depthwise": "block/depthwise"}


def network():
    import keras

    layers = keras.layers
    keras.utils.set_random_seed(0)
    inner = keras.Sequential([keras.Input(SHAPE), layers.DepthwiseConv2D(3, name="depthwise")], name="inner")
    image = keras.Input(SHAPE)
    x = layers.BatchNormalization(name="stem_norm")(inner(image))
    x = layers.SeparableConv2D(4, 3)(layers.Conv2DTranspose(4, 3)(layers.RandomFlip()(x)))
    x = layers.Reshape((1, 6, 4))(layers.GRU(4, return_sequences=True)(layers.Reshape((6, 24))(x)))
    return keras.Model(image, layers.Dense(5)(layers.GlobalAveragePooling2D()(x)))


def as_keras_two(told):
    """The configuration as Keras 2 would have written it, as far as Keras 3 refuses that."""
    if isinstance(told, dict):
        told = {key: as_keras_two(each) for key, each in told.items()}
        if told.get("class_name") in ("DepthwiseConv2D", "Conv2DTranspose", "SeparableConv2D"):
            told["config"]["groups"] = 1
        if told.get("class_name") == "SeparableConv2D":
            told["config"] |= {"kernel_initializer": "zeros", "kernel_regularizer": None, "kernel_constraint": None}
        if told.get("class_name") == "GRU":
            told["config"]["time_major"] = False
        if told.get("class_name") == "RandomFlip":
            told["config"]["rng_type"] = "stateful"
        if told.get("class_name") == "Sequential":
            told |= {"module": "keras.src.engine.sequential", "registered_name": None}
        if told.get("class_name") == "BatchNormalization":
            told["class_name"], told["config"]["axis"] = "SyncBatchNormalization", [3]
        return told
    return [as_keras_two(each) for each in told] if isinstance(told, list) else OLD_NAMES.get(str(told), told)


@pytest.fixture
def old(tmp_path):
    made, path = network(), tmp_path / "model.h5"
    made.save(path)
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = json.dumps(as_keras_two(json.loads(file.attrs["model_config"])))
        file.attrs["keras_version"] = "2.15.0"
    return made, path


def test_an_h5_file_of_keras_2_answers_as_it_did(old):
    made, path = old
    before = path.read_bytes()
    model = KerasFile(str(path))
    found = model.open(SHAPE, CLASSES).with_preprocessing(model.preprocessing).logits(PIXELS)
    np.testing.assert_allclose(found, made.predict(PIXELS.astype(np.float32), verbose=0), rtol=1e-4, atol=1e-3)
    assert path.read_bytes() == before


def test_what_keras_3_reads_as_it_is_is_not_copied(tmp_path):
    network().save(tmp_path / "model.h5")
    (tmp_path / "none.h5").write_bytes(b"nothing")
    for name in ("model.h5", "none.h5"):
        assert modernised(tmp_path / name, tmp_path / "scratch") == tmp_path / name


def test_groups_that_are_more_than_one_are_left_to_keras(old, tmp_path):
    _, path = old
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = file.attrs["model_config"].replace('"groups": 1', '"groups": 2')
    with pytest.raises(DataError, match=r"DepthwiseConv2D block_depthwise: (.|\n)*groups"):
        KerasFile(str(path)).open(SHAPE, CLASSES)


def test_a_function_of_tensorflow_in_a_model_of_keras_2_is_refused_with_what_is_read(old):
    _, path = old
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = file.attrs["model_config"].replace('"GRU"', '"TFOpLambda"')
    with pytest.raises(DataError, match=r"TFOpLambda(.|\n)*fix: (.|\n)*model.export"):
        KerasFile(str(path)).open(SHAPE, CLASSES)


def test_a_keras_file_of_keras_2_is_refused_with_what_is_read(tmp_path):
    network().save(tmp_path / "new.keras")
    with zipfile.ZipFile(tmp_path / "new.keras") as new, zipfile.ZipFile(tmp_path / "old.keras", "w") as old:
        for name in new.namelist():
            content = new.read(name)
            if name == "config.json":
                content = json.dumps(json.loads(content) | {"module": "tf_keras.src.engine.functional"}).encode()
            old.writestr(name, content)
    with pytest.raises(DataError, match=r"Keras 2(.|\n)*fix: (.|\n)*model.h5"):
        KerasFile(str(tmp_path / "old.keras")).open(SHAPE, CLASSES)
