"""Models that answer otherwise in a batch, that do not run on the images, or whose outputs lie deep."""

import numpy as np
import pytest

from roundoff.errors import DataError
from roundoff.model.keras_file import KerasFile

SHAPE, CLASSES = (8, 8, 3), tuple("abcde")


def network(*build, shape=SHAPE):
    """A classifier around layers."""
    import keras

    keras.utils.set_random_seed(0)
    image = x = keras.Input(shape)
    for layer in build:
        x = layer(keras.layers)(x)
    return keras.Model(image, keras.layers.Dense(5)(keras.layers.GlobalAveragePooling2D()(x)))


def centred(layers):
    """By the mean of the batch, as a batch norm that was saved for training."""
    import keras

    return lambda x: x - keras.ops.mean(x, axis=0, keepdims=True)


def write(made, folder, form):
    if form == "saved":
        made.export(folder / "model", verbose=False)
    else:
        made.save(folder / "model.keras")
    return KerasFile(str(folder / ("model" if form == "saved" else "model.keras")))


@pytest.mark.parametrize("form", ["keras", "saved"])
def test_a_model_whose_images_act_on_each_other_is_refused(form, tmp_path):
    given = write(network(centred), tmp_path, form)
    with pytest.raises(DataError, match=r"each image alone(.|\n)*relative difference(.|\n)*training=False"):
        given.open(SHAPE, CLASSES)


@pytest.mark.parametrize("form", ["keras", "saved"])
def test_images_that_are_too_small_for_the_layers_are_refused(form, tmp_path):
    made = network(lambda layers: layers.Conv2D(4, 9, name="wide"), shape=(None, None, 3))
    with pytest.raises(DataError, match=r"does not run on(.|\n)*8 × 8 × 3(.|\n)*dataset.size"):
        write(made, tmp_path, form).open(SHAPE, CLASSES)


def test_an_output_deep_in_a_dictionary_is_chosen_by_its_key_and_place(tmp_path):
    import keras

    made = network()
    features = made.layers[-2].output
    heads = [keras.layers.Dense(5, name=name)(features) for name in ("one", "two", "three")]
    made = keras.Model(made.inputs, {"b": heads[2], "a": [heads[0], heads[1]]})
    made.save(tmp_path / "model.keras")
    images = np.random.default_rng(0).integers(0, 256, (4, *SHAPE), dtype=np.uint8)
    wanted = made.predict(images.astype(np.float32), verbose=0)
    for output, values in (("a/0", wanted["a"][0]), ("a/1", wanted["a"][1]), ("b", wanted["b"])):
        model = KerasFile(str(tmp_path / "model.keras"), output=output)
        taken = model.open(SHAPE, CLASSES).with_preprocessing(model.preprocessing)
        np.testing.assert_allclose(taken.logits(images), values, rtol=1e-4, atol=1e-3)


def test_a_layer_that_cannot_be_built_from_what_was_saved_is_named(tmp_path):
    def shear(layers):
        return layers.RandomShear(0.1, name="augment")

    made = network(shear)
    config = made.get_layer("augment").get_config() | {"x_factor": (-0.1, 0.1)}
    made.get_layer("augment").get_config = lambda: config
    made.save(tmp_path / "model.keras")
    with pytest.raises(DataError, match=r"RandomShear augment: (.|\n)*range(.|\n)*a model without augment"):
        KerasFile(str(tmp_path / "model.keras")).open(SHAPE, CLASSES)
