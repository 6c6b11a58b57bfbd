"""Times per layer by TensorRT's profiler, on a fake GPU."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from roundoff.backend.trt.inspect import Layer
from roundoff.backend.trt.profiling import make_profiler, named_layers
from tests.support.fake_trt import FakeTensorrt, images
from tests.support.networks import residual_network

LAYERS = (
    {"Name": "Reformat", "LayerType": "Reformat", "Inputs": [{"Format/Datatype": "Float"}]},
    {
        "Name": "__myl_ConvRelu_myl0_1 [profile 0]",
        "LayerType": "correlation",
        "Inputs": [{"Datatype": "Int8"}],
        "Metadata": "[ONNX Layer: relu1][ONNX Layer: conv1]",
    },
    {"Name": "conv2 + skip + relu2", "LayerType": "CaskConvolution", "Inputs": [{"Datatype": "Half"}]},
)


@pytest.fixture
def graph(tmp_path):
    onnx.save(residual_network(), tmp_path / "graph.onnx")
    return tmp_path / "graph.onnx"


def test_each_layer_has_its_nodes_and_a_time_for_each_run(load, gpu, graph):
    runner = load(FakeTensorrt(gpu, layers=LAYERS))
    with runner.layer_timer([images(8), images(8)], graph) as timer:
        timer.run(2)
        timer.run(1)
        reformat, first, second = timer.layers()
    np.testing.assert_allclose(reformat.times_ms, [2, 3, 4])  # the first run was not looked at
    np.testing.assert_allclose(first.times_ms, [4, 6, 8])
    assert (reformat.nodes, reformat.kind) == ((), "Reformat")
    assert (first.nodes, first.kind, first.computes_in) == (("conv1", "relu1"), "correlation", "int8")
    assert (second.nodes, second.computes_in) == (("conv2", "skip", "relu2"), "float16")
    assert not gpu.live


def test_its_runner_is_closed_with_it(load, gpu, graph):
    runner = load(FakeTensorrt(gpu, layers=LAYERS))
    timer = runner.layer_timer([images(8)], graph)
    timer.close()
    timer.close()
    with pytest.raises(ValueError, match="closed"):
        runner.infer(images(1))
    assert not gpu.live


def test_a_report_that_fails_is_an_error(load, gpu, graph):
    runner = load(FakeTensorrt(gpu, layers=LAYERS))
    with runner.layer_timer([images(8)], graph) as timer:
        timer._context.context.enqueue_emits_profile = True
        with pytest.raises(RuntimeError, match="report_to_profiler failed"):
            timer.run(1)


def test_what_goes_wrong_in_the_profiler_does_not_leave_it(gpu):
    profiler = make_profiler(FakeTensorrt(gpu))
    profiler.report_layer_time("before any run", 1.0)
    assert isinstance(profiler.raised, IndexError)


def test_without_a_graph_no_node_is_known(tmp_path):
    layer = Layer("conv", "int8", frozenset(["conv1"]), name="conv1")
    assert named_layers([layer], tmp_path / "none.onnx")["conv1"].nodes == ()
