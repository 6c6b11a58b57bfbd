"""Pixels that numbers scale and move reach LiteRT's 8-bit kernels without being rounded."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from roundoff.backend.tflite.lowering import lowered
from roundoff.backend.tflite.observing import activations
from roundoff.backend.tflite.pixels import with_pixels_on_a_grid
from roundoff.export.tflite_graph import TfliteGraph
from roundoff.precision.int8 import Int8
from tests.support.exported import exported

SCALINGS = {"/ 255": (1 / 255, 0.0), "/ 127.5 - 1": (1 / 127.5, -1.0)}


def network(scale, offset):
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3), dtype="uint8")
    inside = keras.layers.Rescaling(scale, offset)(image)
    inside = keras.layers.Conv2D(8, 3, activation="relu")(inside)
    inside = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(inside)
    inside = keras.layers.GlobalAveragePooling2D()(inside)
    return keras.Model(image, keras.layers.Dense(10)(inside))


@pytest.fixture(scope="module", params=SCALINGS)
def source(request, tmp_path_factory):
    made = exported(network(*SCALINGS[request.param]), tmp_path_factory.mktemp("exported"))
    return replace(made, precision=Int8())


def first_of(content):
    """The graph and its first convolution."""
    graph = TfliteGraph.read(content)
    return graph, next(each for each in graph.operators if graph.operator(each) == "CONV_2D")


def seen(content, images, tensor):
    return next(activations(content, images, len(images), 1))[tensor]


def test_every_pixel_is_a_code(source):
    settled, _ = with_pixels_on_a_grid(source.tflite.read_bytes(), ())
    before, reader = first_of(settled)
    floats = seen(settled, source.calibration, before.name(int(reader.inputs[0])))
    graph, reader = first_of(lowered(source, 1)[0])
    step, zero = graph.grid(int(reader.inputs[0]))
    np.testing.assert_allclose(floats / step + zero + 128, source.calibration, atol=0.01)


def test_biases_take_what_the_pixels_were_moved_by(source):
    content = source.tflite.read_bytes()
    settled, _ = with_pixels_on_a_grid(content, ())
    graph, reader = first_of(content)
    name = graph.name(int(reader.outputs[0]))
    before, after = (seen(each, source.calibration, name) for each in (content, settled))
    np.testing.assert_allclose(after, before, atol=1e-5)


def test_pixels_that_a_layer_reads_as_floats_stay_as_they_are(source):
    content = source.tflite.read_bytes()
    graph, reader = first_of(content)
    assert with_pixels_on_a_grid(content, {graph.name(int(reader.outputs[0]))}) == (content, {})
