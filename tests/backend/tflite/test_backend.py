"""LiteRT built from a float model that was made of a small Keras model, and run; neither needs TensorFlow."""

import subprocess
import sys
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from roundoff.backend.tflite.backend import LiteRT, ignored, open_sized
from roundoff.errors import BuildError, ConfigError, Unavailable
from roundoff.export.source import in_float32
from roundoff.precision.bf16 import Bf16
from roundoff.precision.fp16 import Fp16
from roundoff.precision.fp32 import Fp32
from roundoff.precision.int8 import Int8
from roundoff.precision.int8_int16 import Int8Int16
from roundoff.precision.tf32 import Tf32
from roundoff.results.build import BuildInfo
from roundoff.results.cell import BindingInfo
from roundoff.results.message import Words
from tests.support.exported import exported
from tests.support.present import present

CLASSES, SIZE = 5, 8


@dataclass(frozen=True)
class WeightsOnly(Int8):
    activations: ClassVar[str] = "float32"


PRECISIONS = {"fp32": Fp32(), "fp16": Fp16(), "int8": Int8(), "int8_int16": Int8Int16()}


@dataclass(frozen=True)
class HalfRemainder(Int8):
    remainder: ClassVar[str] = "float16"


def pictures(count, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def network():
    import keras

    keras.utils.set_random_seed(0)
    image = keras.Input((SIZE, SIZE, 3), dtype="uint8", name="image")
    x = keras.layers.Rescaling([1 / 60, 1 / 61, 1 / 62], [-2.0, -2.1, -1.9])(image)
    x = keras.layers.Conv2D(64, 3, padding="same", use_bias=False)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    logits = keras.layers.Dense(CLASSES, bias_initializer="random_normal", name="logits")(x)
    return keras.Model(image, logits)


@pytest.fixture(scope="module")
def source(network, tmp_path_factory):
    return exported(network, tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="module")
def built(source, tmp_path_factory):
    """Directory and info of each precision."""
    made = {}
    for name, precision in PRECISIONS.items():
        directory = tmp_path_factory.mktemp(name)
        made[name] = directory, LiteRT(threads=1).build(replace(source, precision=precision), directory)
    return made


@pytest.fixture
def runner(built):
    with LiteRT(threads=1).load(built["fp32"][0]) as loaded:
        yield loaded


@pytest.mark.parametrize(
    ("name", "low", "high"), [("fp32", 0, 1e-5), ("fp16", 1e-6, 5e-3), ("int8", 1e-4, 5e-2), ("int8_int16", 1e-5, 2e-2)]
)
def test_logits_agree_with_keras_as_the_precision_allows(network, built, name, low, high):
    images = pictures(20)
    reference = network(images, training=False).numpy()
    with LiteRT(threads=1).load(built[name][0]) as loaded:
        logits = loaded.infer(images)
    assert logits.dtype == np.float32
    assert low <= np.abs(logits - reference).max() / np.abs(reference).max() < high


@pytest.fixture(scope="module")
def flattening(tmp_path_factory):
    """A network that computes the shape of its flat features, and its source."""
    import keras

    image = keras.Input((SIZE, SIZE, 3), dtype="uint8", name="image")
    x = keras.layers.Conv2D(4, 3, strides=2)(keras.layers.Rescaling(1 / 255)(image))
    flat = keras.Model(image, keras.layers.Dense(CLASSES)(keras.layers.Flatten()(x)))
    return flat, exported(flat, tmp_path_factory.mktemp("flattening"))


@pytest.mark.parametrize("name", ["fp32", "int8"])
def test_a_flatten_that_computes_its_shape_takes_any_batch(flattening, tmp_path, name):
    flat, source = flattening
    backend, images = LiteRT(threads=1), pictures(7)
    backend.build(replace(source, precision=PRECISIONS[name]), tmp_path)
    reference = flat(images, training=False).numpy()
    with backend.load(tmp_path) as loaded:
        assert np.abs(loaded.infer(images) - reference).max() / np.abs(reference).max() < 0.05
        for count in (1, 7):
            with loaded.bind([images[:count]]) as bound:
                bound.poison()
                for transfers in (False, True):
                    logits = bound.outputs(transfers)[0]
                    assert np.abs(logits - reference[:count]).max() / np.abs(reference).max() < 0.05


def test_a_model_trained_in_mixed_float16_is_built_in_float32(tmp_path):
    import keras

    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        image = keras.Input((SIZE, SIZE, 3), dtype="uint8", name="image")
        x = keras.layers.Conv2D(4, 3, activation="relu")(keras.layers.Rescaling(1 / 255)(image))
        x = keras.layers.Dense(CLASSES, dtype="float32")(keras.layers.GlobalAveragePooling2D()(x))
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    mixed = keras.Model(image, x)
    backend, images = LiteRT(threads=1), pictures(7)
    backend.build(exported(mixed, tmp_path), tmp_path)
    reference = in_float32(mixed)(images, training=False).numpy()
    with backend.load(tmp_path) as loaded:
        assert np.abs(loaded.infer(images) - reference).max() / np.abs(reference).max() < 1e-5


def test_info_say_what_layers_compute_in(built):
    info = {name: made[1] for name, made in built.items()}
    assert info["fp32"] == BuildInfo(layer_types={"float32": 2})
    assert info["fp16"].layer_types == {"float32": 2}
    assert "the arithmetic is float32's" in str(info["fp16"].notes[0])
    assert info["int8"].layer_types == {"int8": 1, "float32": 1}
    assert [note.code for note in info["int8"].notes] == ["table_ranges"]
    assert info["int8_int16"].layer_types == {"int16": 2}
    assert [note.code for note in info["int8_int16"].notes] == ["extremes_taken"]


def test_settings_that_litert_does_not_heed_are_said_to_have_no_effect():
    assert ignored(Int8(last_layer=True, exclude_types=["Conv"])) is ignored(Fp16(keep_float32=())) is None
    words = ignored(Fp16(keep_float32=("logits",)))
    assert str(words) == "keep_float32 of the precision has no effect on LiteRT"
    assert Words("ja").sentence(present(words)) == "この数値精度の keep_float32 は LiteRT では効かない"


def test_smaller_types_make_smaller_files(built):
    size = {name: (made[0] / "model.tflite").stat().st_size for name, made in built.items()}
    assert size["fp16"] < size["fp32"]


def test_building_imports_no_tensorflow(source, tmp_path):
    """Nor does it need one: a build machine may be without."""
    code = (
        "import sys, numpy as np; from pathlib import Path; sys.modules |= {'tensorflow': None, 'keras': None}\n"
        "from roundoff.backend.base import Source; from roundoff.backend.tflite.backend import LiteRT\n"
        "from roundoff.precision.fp16 import Fp16; from roundoff.precision.int8 import Int8\n"
        f"images = np.load({str(tmp_path / 'images.npy')!r}); at = Path({str(tmp_path)!r})\n"
        "for precision in (Fp16(), Int8()):\n"
        f"    source = Source('a', precision, Path({str(source.graph)!r}), None, images,\n"
        f"                    tflite=Path({str(source.tflite)!r}), table=Path({str(source.table)!r}))\n"
        "    assert LiteRT().refusal(precision) is None\n"
        "    LiteRT(threads=1).build(source, at)\n"
    )
    np.save(tmp_path / "images.npy", source.calibration)
    subprocess.run([sys.executable, "-c", code], check=True)


def test_running_imports_no_tensorflow(built):
    code = (
        "import sys, numpy as np; from pathlib import Path\n"
        "from roundoff.backend.tflite.backend import LiteRT, ignored\n"
        f"runner = LiteRT(threads=1).load(Path({str(built['int8'][0])!r}))\n"
        f"assert runner.infer(np.zeros((3, {SIZE}, {SIZE}, 3), np.uint8)).shape == (3, {CLASSES})\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_any_number_of_images_is_inferred(runner, count):
    images = pictures(count)
    logits = runner.infer(images)
    assert logits.shape == (count, CLASSES)
    for row, image in zip(logits, images, strict=True):
        np.testing.assert_allclose(row, runner.infer(image[None])[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("precision", PRECISIONS.values(), ids=PRECISIONS)
def test_precisions_that_litert_has_kernels_for_are_not_refused(precision):
    assert LiteRT().refusal(precision) is None


@pytest.mark.parametrize(
    ("precision", "words"),
    [
        (Bf16(), "bfloat16 weights and bfloat16 activations"),
        (Tf32(), "tf32 weights and tf32 activations"),
        (WeightsOnly(), "int8 weights and float32 activations"),
        (HalfRemainder(), "the rest in float16"),
    ],
)
def test_other_precisions_are_refused_with_their_types(precision, words):
    assert words in str(LiteRT().refusal(precision))


def test_without_the_quantizer_its_cells_are_unavailable(monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_quantizer.quantizer", None)
    assert "pip install ai-edge-quantizer" in str(LiteRT().refusal(Int8()))
    assert LiteRT().refusal(Fp32()) is None


def test_without_litert_a_built_cell_is_unavailable(built, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(Unavailable, match="pip install ai-edge-litert"):
        LiteRT().load(built["fp32"][0])


def test_a_model_without_uint8_input_is_refused(tmp_path):
    import keras
    import tensorflow as tf

    image = keras.Input((SIZE, SIZE, 3))
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(image))
    (tmp_path / "model.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    with pytest.raises(BuildError, match="float32 in"):
        open_sized(tmp_path / "model.tflite", 1, 2)


def test_no_threads_are_refused():
    with pytest.raises(ConfigError, match="threads=0"):
        LiteRT(threads=0)


@pytest.mark.parametrize("transfers", [True, False])
@pytest.mark.parametrize("name", PRECISIONS)
def test_bound_outputs_equal_inference_for_every_rotating_input(built, name, transfers):
    batches = [pictures(4, seed) for seed in range(3)]
    with LiteRT(threads=1).load(built[name][0]) as loaded, loaded.bind(batches) as bound:
        bound.poison()
        for batch, logits in zip(batches, bound.outputs(transfers), strict=True):
            np.testing.assert_array_equal(logits, loaded.infer(batch))


def test_bindings_of_different_batch_sizes_live_side_by_side(runner):
    with runner.bind([pictures(1)]) as one, runner.bind([pictures(4)]) as four:
        assert one.outputs(transfers=True)[0].shape == (1, CLASSES)
        assert four.outputs(transfers=True)[0].shape == (4, CLASSES)
        np.testing.assert_allclose(one.outputs(transfers=True)[0], runner.infer(pictures(1)), rtol=1e-5, atol=1e-6)


def test_poison_shows_until_the_engine_writes(runner):
    with runner.bind([pictures(2)]) as bound:
        bound.outputs(transfers=False)
        bound.poison()
        assert np.isnan(bound.answer(0)).all()
        bound.device_only(1)
        assert np.isfinite(bound.answer(0)).all()


def test_timed_modes_return_a_positive_time_per_run(runner):
    with runner.bind([pictures(2, 0), pictures(2, 1)]) as bound:
        for milliseconds in (bound.device_only(5), bound.end_to_end(5)):
            assert milliseconds.shape == (5,)
            assert (milliseconds > 0).all()
        assert bound.stream(5) > 0
        assert bound.info() == BindingInfo(threads=1)


def test_a_closed_binding_says_so(runner):
    bound = runner.bind([pictures(2)])
    bound.close()
    bound.close()
    with pytest.raises(RuntimeError, match="closed"):
        bound.device_only(1)
