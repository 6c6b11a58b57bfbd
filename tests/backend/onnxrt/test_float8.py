"""FP8 behind a MaxPool on ONNX Runtime, whose optimizer breaks such graphs in some versions."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper

from roundoff.backend.base import Source
from roundoff.backend.onnxrt.backend import OnnxRuntime
from roundoff.errors import BuildError
from roundoff.precision.fp8 import Fp8
from tests.support.networks import pictures, relative_error, residual_network, run, table_of


@pytest.fixture
def pooled():
    """The residual network with a MaxPool behind its first ReLU, as a ResNet's stem has."""
    model = residual_network()
    nodes = list(model.graph.node)
    relu = next(index for index, node in enumerate(nodes) if node.name == "relu1")
    nodes[relu].output[0] = "before_pool"
    pool = helper.make_node("MaxPool", ["before_pool"], ["relu1"], "pool", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    del model.graph.node[:]
    model.graph.node.extend([*nodes[: relu + 1], pool, *nodes[relu + 1 :]])
    return model


def built(model, tmp_path):
    """What is told of the build, and the loaded engine's relative error against FP32."""
    backend, precision = OnnxRuntime(threads=1), Fp8()
    onnx.save(precision.convert(model, backend.grid, table_of(model)), tmp_path / "graph.onnx")
    nothing = np.zeros((1, 8, 8, 3), np.uint8)
    info = backend.build(Source("fp8", precision, tmp_path / "graph.onnx", None, nothing), tmp_path)
    with backend.load(tmp_path) as runner:
        return info, relative_error(runner.infer(pictures()), run(model, pictures())[0])


def test_it_agrees_with_fp32(pooled, tmp_path):
    info, error = built(pooled, tmp_path)
    assert error < 0.05
    assert "less_optimized" not in [note.code for note in info.notes]


def refusing(monkeypatch, levels):
    """ONNX Runtime refuses to build at these levels, as it does what its optimizer made invalid."""
    session = ort.InferenceSession

    def refuse(path, options, **more):
        if options.optimized_model_filepath and options.graph_optimization_level in levels:
            raise RuntimeError("Type 'tensor(float8e4m3fn)' of input parameter of operator (MaxPool) is invalid")
        return session(path, options, **more)

    monkeypatch.setattr(ort, "InferenceSession", refuse)


def test_where_the_optimizer_breaks_it_less_is_optimized_and_the_row_says_so(pooled, tmp_path, monkeypatch):
    refusing(monkeypatch, [ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED])
    info, error = built(pooled, tmp_path)
    assert error < 0.05
    assert "less_optimized" in [note.code for note in info.notes]


def test_what_no_level_loads_is_an_error_in_the_runtimes_words(pooled, tmp_path, monkeypatch):
    level = ort.GraphOptimizationLevel
    refusing(monkeypatch, [level.ORT_ENABLE_EXTENDED, level.ORT_ENABLE_BASIC, level.ORT_DISABLE_ALL])
    with pytest.raises(BuildError, match="float8e4m3fn"):
        built(pooled, tmp_path)
