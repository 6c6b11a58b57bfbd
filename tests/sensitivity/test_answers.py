"""What measuring many versions holds at once: a batch, and a few figures of each image and version."""

import tracemalloc

import numpy as np
import onnx
import pytest

from roundoff.calibration.minmax import MinMax
from roundoff.calibration.observing.calibrate import calibrate
from roundoff.graph.queries import image_input
from roundoff.precision.base import Grid
from roundoff.precision.int8 import Int8
from roundoff.sensitivity.answers import BATCH, differences
from roundoff.sensitivity.recipe import quantizing_recipe

FIGURES = 64  # bytes of an image and version: squares and answers, and what is made of them meanwhile
LOGITS = 256  # bytes of an image's own logits, and what is made of them


@pytest.fixture
def peak_bytes(model_path, prepared):
    """What NumPy and Python hold at most while so many random images are run, and how many versions there are."""
    model = onnx.load(model_path)
    table = calibrate(MinMax(images=64, held_out=32), model_path, prepared).table
    parts = quantizing_recipe(Int8(), model, Grid(), table).parts
    versions = [source.reads for source in parts.sources]
    shape = [dim.dim_value for dim in image_input(model).type.tensor_type.shape.dim][1:]

    def peak(count):
        images = np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)
        tracemalloc.start()
        try:
            differences(parts.model, {}, versions, images)
            return tracemalloc.get_traced_memory()[1], len(versions)
        finally:
            tracemalloc.stop()

    return peak


def test_memory_grows_by_a_few_figures_an_image_and_by_no_activation(peak_bytes):
    peak_bytes(BATCH)  # what is imported and made once
    few, many = 2 * BATCH, 32 * BATCH
    (at_few, versions), (at_many, _) = peak_bytes(few), peak_bytes(many)
    assert at_many - at_few <= (many - few) * (FIGURES * versions + LOGITS)
