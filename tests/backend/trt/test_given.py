"""Graphs that other tools have quantized, built by the real TensorRT-RTX: in eight bits, or refused in its words."""

import onnx
import pytest

from roundoff.backend.base import Source
from roundoff.backend.trt.backend import Tensorrt
from roundoff.errors import Unavailable
from roundoff.export.given import write_fit
from roundoff.export.given_feeding import Beside
from roundoff.precision.given import Given
from tests.export.test_given_onnx import SCALES, UNIT, planes
from tests.support.onnx_files import CLASSES, PIXELS, SHAPE, graph
from tests.support.quantized import quantized_by_onnxruntime, with_pairs

pytest.importorskip("tensorrt_rtx")


@pytest.fixture
def build(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))

    def build(path):
        given = Given(str(path))
        (tmp_path / "fit").mkdir()
        written = write_fit(given, Beside(SHAPE, CLASSES, UNIT), "given.given", tmp_path / "fit")
        return Tensorrt(batch_sizes=[1]).build(Source("given", given, written, None, PIXELS[:0]), tmp_path)

    return build


@pytest.mark.parametrize("stored", [True, False], ids=["model_optimizer", "quantization_aware_training"])
def test_pairs_are_multiplied_in_eight_bits(build, tmp_path, stored):
    onnx.save(with_pairs(graph(), SCALES, stored), tmp_path / "q.onnx")
    assert build(tmp_path / "q.onnx").layer_types == {"int8": 2}


def test_biases_of_onnx_runtimes_quantizer_are_what_it_does_not_take(build, tmp_path):
    with pytest.raises(Unavailable, match=r"Int32 but must have type(.|\n)*docs/models.md"):
        build(quantized_by_onnxruntime(graph(), planes(), tmp_path / "q.onnx", signed=True))


def test_its_settings_for_tensorrt_are_what_is_built(build, tmp_path):
    path = quantized_by_onnxruntime(graph(), planes(), tmp_path / "q.onnx", signed=True, for_tensorrt=True)
    assert build(path).layer_types == {"int8": 2}
