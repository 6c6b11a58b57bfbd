"""Times per layer by ONNX Runtime's profile."""

import numpy as np
import onnx
import pytest

from roundoff.backend.base import Source
from roundoff.backend.onnxrt.backend import OnnxRuntime
from roundoff.backend.onnxrt.profiling import layer_times, times_of_nodes
from roundoff.cells.sidecar import GRAPH
from roundoff.precision.fp32 import Fp32
from roundoff.precision.int8 import Int8
from tests.support.machine import eight_bits
from tests.support.networks import pictures, residual_network, table_of


def profiled(directory, model, precision, runs=4):
    """The layers of the network built in that precision."""
    onnx.save(model, directory / GRAPH)
    backend = OnnxRuntime(threads=1)
    backend.build(Source("it", precision, directory / GRAPH, None, pictures(4)), directory)
    with backend.layer_times(directory, [pictures(8), pictures(8)]) as timer:
        timer.run(runs - 1)
        timer.run(1)
        return timer.layers()


def test_each_layer_has_a_time_for_each_run_and_the_nodes_it_stands_for(tmp_path):
    layers = profiled(tmp_path, residual_network(), Fp32())
    assert {layer.times_ms.shape for layer in layers} == {(4,)}
    assert all((layer.times_ms >= 0).all() for layer in layers)
    behind = [set(layer.nodes) for layer in layers]
    assert {"conv1", "relu1"} in behind
    every = [name for layer in layers for name in layer.nodes]
    assert sorted(every) == sorted(node.name for node in residual_network().graph.node)


def test_a_quantized_convolution_says_so(tmp_path):
    model = residual_network()
    int8 = Int8(bias_correction=False).convert(model, OnnxRuntime.grid, table_of(model))
    layers = profiled(tmp_path, int8, Int8())
    convolution = next(layer for layer in layers if "conv2" in layer.nodes)
    assert convolution.kind == "QLinearConv"
    assert convolution.computes_in == eight_bits()
    assert "DequantizeLinear" in {layer.kind for layer in layers}


def test_bytes_are_those_of_the_tensors(tmp_path):
    cast = next(layer for layer in profiled(tmp_path, residual_network(), Fp32()) if layer.nodes == ("cast",))
    assert cast.moved_bytes == 8 * 8 * 8 * 3 * (1 + 4)
    assert cast.computes_in == "uint8"


def test_nodes_without_names_are_known_by_what_they_give(tmp_path):
    model = residual_network()
    for node in model.graph.node:
        node.name = ""
    assert {"conv1", "relu1"} in [set(layer.nodes) for layer in profiled(tmp_path, model, Fp32())]


def event(name, start, duration, category="Node", kind="Loop"):
    tensor = [{"float": [2, 3]}]
    told = {"op_name": kind, "input_type_shape": tensor, "output_type_shape": tensor}
    return {"cat": category, "name": name, "ts": start, "dur": duration, "args": told}


EVENTS = [
    event("model_run", 0, 100, "Session"),
    event("body_kernel_time", 20, 5),
    event("loop_kernel_time", 10, 50),
    event("last_kernel_time", 60, 7, kind="Relu"),
    event("model_run", 200, 100, "Session"),
    event("loop_kernel_time", 210, 40),
    event("last_kernel_time", 250, 9, kind="Relu"),
]


def test_what_runs_inside_a_node_is_counted_once():
    runs = times_of_nodes(EVENTS)
    assert [[(node.name, node.duration) for node in run] for run in runs] == [
        [("loop", 50), ("last", 7)],
        [("loop", 40), ("last", 9)],
    ]


def test_times_are_milliseconds_of_each_run():
    loop, last = layer_times(times_of_nodes(EVENTS), {"last": ("relu",)})
    np.testing.assert_allclose(loop.times_ms, [0.05, 0.04])
    assert (last.nodes, loop.nodes) == (("relu",), ())
    assert last.moved_bytes == 48


@pytest.mark.parametrize("missing", [["model_run"]])
def test_a_profile_without_its_runs_has_no_times(missing):
    assert times_of_nodes([each for each in EVENTS if each["name"] not in missing]) == []
