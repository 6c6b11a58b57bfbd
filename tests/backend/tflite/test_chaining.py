"""Which operators of a LiteRT model compute in 8 bits, and that INT8 there loses no more than on ONNX Runtime."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

from roundoff.backend.onnxrt.backend import OnnxRuntime
from roundoff.backend.tflite.backend import LiteRT
from roundoff.backend.tflite.lowering import lowered
from roundoff.calibration.observing.table import CalibrationTable
from roundoff.export.tflite_graph import TfliteGraph
from roundoff.precision.int8 import Int8
from roundoff.results.message import message
from tests.support.exported import exported


def ending(image, x):
    import keras

    return keras.Model(image, keras.layers.Dense(5, name="logits")(x))


def tokens():
    """Patches as tokens, a block of layer norm and two dense layers around GELU, their mean."""
    import keras
    from keras import layers

    image = keras.Input((8, 8, 3), dtype="uint8", name="image")
    x = layers.Conv2D(16, 4, 4)(layers.Rescaling(1 / 64, -2.0)(image))
    x = layers.Reshape((4, 16))(x)
    y = layers.Dense(32, activation="gelu")(layers.LayerNormalization(epsilon=1e-6)(x))
    x = layers.Add()([x, layers.Dense(16)(y)])
    return ending(image, layers.GlobalAveragePooling1D()(x))


def dense():
    """Dense layers one behind the other."""
    import keras
    from keras import layers

    image = keras.Input((8, 8, 3), dtype="uint8", name="image")
    x = layers.Conv2D(4, 3, 2, activation="relu")(layers.Rescaling(1 / 64, -2.0)(image))
    x = layers.Dense(16, activation="relu", name="read")(layers.Flatten()(x))
    return ending(image, layers.Dense(16, activation="relu", name="unread")(x))


def excited(kernel=3):
    """A depthwise convolution between two others, squeezed and excited."""
    import keras
    from keras import layers

    image = keras.Input((8, 8, 3), dtype="uint8", name="image")
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.Rescaling(1 / 64, -2.0)(image))
    x = layers.DepthwiseConv2D(kernel, padding="same")(x)
    gate = layers.Conv2D(4, 1, activation="relu")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    x = layers.Multiply()([x, layers.Conv2D(8, 1, activation="sigmoid")(gate)])
    return ending(image, layers.GlobalAveragePooling2D()(layers.Conv2D(8, 1)(x)))


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    import keras

    keras.utils.set_random_seed(0)
    networks = {"tokens": tokens(), "dense": dense(), "excited": excited(), "wide": excited(7)}
    return {
        name: replace(exported(network, tmp_path_factory.mktemp(name), 64), precision=Int8())
        for name, network in networks.items()
    }


def given(content, kind):
    """The types of what the operators of a kind give."""
    graph = TfliteGraph.read(content)
    return [graph.kind(int(each.outputs[0])) for each in graph.operators if graph.operator(each) == kind]


def weights(content, kind):
    return [weight for weight, _ in TfliteGraph.read(content).products([kind])]


@pytest.mark.slow  # converts by TensorFlow
def test_layer_norm_and_gelu_stay_in_float32(sources):
    content = lowered(sources["tokens"], 1)[0]
    kinds = ("MEAN", "RSQRT", "SQUARED_DIFFERENCE", "MUL", "ADD", "GELU")
    assert {each for kind in kinds for each in given(content, kind)} == {"FLOAT32"}
    assert given(content, "CONV_2D") == ["INT8"]


def test_dense_layers_that_no_other_reads_take_and_give_floats_and_the_row_counts_them(sources):
    content, notes = lowered(sources["tokens"], 1)
    assert given(content, "FULLY_CONNECTED") == ["FLOAT32"] * 3
    assert weights(content, "FULLY_CONNECTED") == ["int8", "int8", "float32"]
    assert message("rounded_as_it_runs", count=2) in notes


def test_a_dense_layer_that_another_one_reads_gives_8_bits(sources):
    content, notes = lowered(sources["dense"], 1)
    assert given(content, "FULLY_CONNECTED") == ["INT8", "FLOAT32", "FLOAT32"]
    assert message("rounded_as_it_runs", count=1) in notes


def test_squeeze_and_excite_between_two_layers_is_in_8_bits(sources):
    content = lowered(sources["excited"], 1)[0]
    assert given(content, "LOGISTIC") == given(content, "MUL")[1:] == ["INT8"]
    assert given(content, "MEAN") == ["INT8", "FLOAT32"]


@pytest.mark.parametrize(("name", "wanted"), [("excited", ["int8"]), ("wide", ["float32"])])
def test_depthwise_convolutions_with_many_taps_stay_in_float32(sources, name, wanted):
    assert weights(lowered(sources[name], 1)[0], "DEPTHWISE_CONV_2D") == wanted


@pytest.mark.parametrize("name", ["tokens", "dense", "excited", "wide"])
def test_int8_errs_little_more_than_on_onnx_runtime(sources, name, tmp_path):
    source, exact = sources[name], answers(OnnxRuntime(threads=1), sources[name], tmp_path)
    model = Int8().convert(onnx.load(source.graph), OnnxRuntime.grid, CalibrationTable.load(source.table))
    onnx.save(model, tmp_path / "int8.onnx")
    theirs = answers(OnnxRuntime(threads=1), replace(source, graph=tmp_path / "int8.onnx"), tmp_path)
    ours = answers(LiteRT(threads=1), source, tmp_path)
    assert 0 < np.linalg.norm(ours - exact) < 1.2 * np.linalg.norm(theirs - exact)


def answers(backend, source, folder):
    backend.build(source, folder)
    with backend.load(folder) as runner:
        return runner.infer(source.calibration)
