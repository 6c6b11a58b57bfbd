"""Times per operator by cut-off copies of a .tflite model."""

from __future__ import annotations

import numpy as np
import pytest

from roundoff.backend.tflite import prefixes
from roundoff.backend.tflite.backend import LiteRT
from roundoff.backend.tflite.prefixes import PrefixTimer, cut_off, layers_in, moving, shares_of
from roundoff.errors import Unavailable
from roundoff.export.tflite_graph import TfliteGraph

pytest.importorskip("ai_edge_litert")


@pytest.fixture
def model(tmp_path):
    """uint8 [N, 2, 2, 3] → float32 → × 2 → added to itself."""
    from ai_edge_litert import schema_py_generated as schema

    made = schema.ModelT()
    made.version, made.buffers, made.operatorCodes = 3, [schema.BufferT()], []
    subgraph = schema.SubGraphT()
    subgraph.tensors, subgraph.operators, subgraph.inputs, subgraph.outputs = [], [], [], []
    made.subgraphs = [subgraph]
    graph = TfliteGraph(made, schema)
    image = graph.add_tensor("image", "UINT8", [2, 2, 3])
    graph.inputs = [image]
    floats = graph.prepend("CAST", image, "FLOAT32", [2, 2, 3])
    doubled = graph.prepend("MUL", floats, "FLOAT32", [2, 2, 3], np.array([2.0], np.float32))
    graph.outputs = [graph.prepend("ADD", doubled, "FLOAT32", [2, 2, 3], np.array([1.0], np.float32))]
    path = tmp_path / LiteRT.artifact
    path.write_bytes(graph.packed())
    return path


def images(count=4):
    return np.full((count, 2, 2, 3), 3, np.uint8)


def test_each_operator_has_its_share_of_every_run(model):
    with PrefixTimer(model, 1, [images(), images()]) as timer:
        timer.run(2)
        timer.run(3)
        layers = timer.layers()
    assert [layer.kind for layer in layers] == ["CAST", "MUL", "ADD"]
    assert {layer.times_ms.shape for layer in layers} == {(5,)}
    assert all((layer.times_ms >= 0).all() for layer in layers)
    assert layers[0].computes_in == "uint8"
    assert layers[0].moved_bytes == 4 * 12 * (1 + 4)
    assert layers[1].moved_bytes == 4 * 12 * (4 + 4) + 4


def test_shares_are_differences_and_never_below_zero():
    np.testing.assert_allclose(shares_of(np.array([1.0, 3.0, 4.0])), [0.25, 0.5, 0.25])
    np.testing.assert_allclose(shares_of(np.array([2.0, 1.0, 3.0])), [0.5, 0.0, 0.5])


def test_a_copy_ends_behind_its_last_operator(model):
    graph = TfliteGraph.read(cut_off(model.read_bytes(), 2))
    assert [graph.operator(each) for each in graph.operators] == ["CAST", "MUL"]


def test_what_only_widens_weights_is_no_layer(model):
    """XNNPACK refuses a model whose output is a constant."""
    graph = TfliteGraph.read(model.read_bytes())
    weights = graph.add_tensor("half", "FLOAT16", (), np.array([1.0], np.float16))
    wide = graph.prepend("DEQUANTIZE", weights, "FLOAT32", [])
    graph.operators[1].inputs = [int(graph.operators[1].inputs[0]), wide]
    content = graph.packed()
    assert "DEQUANTIZE" in map(graph.operator, TfliteGraph.read(content).operators)
    assert [graph.operator(each) for each in moving(TfliteGraph.read(content))] == ["CAST", "MUL", "ADD"]
    model.write_bytes(content)
    with PrefixTimer(model, 1, [images()]) as timer:
        timer.run(1)
        assert len(timer.layers()) == 3


@pytest.mark.parametrize(
    ("tensor", "layers"),
    [
        (
            "net_1/stem_relu_1/Relu;net_1/stem_norm_1/add_1;net_1/stem_conv_1/convolution",
            "stem_conv;stem_norm;stem_relu",
        ),
        ("net_1/inner_1/block_3_expand_1/convolution", "block_3_expand"),
        ("StatefulPartitionedCall:0", "StatefulPartitionedCall:0"),
    ],
)
def test_layers_are_called_as_the_user_calls_them(tensor, layers):
    assert layers_in(tensor) == layers


def test_what_is_too_large_or_too_slow_to_be_cut_is_unavailable(model, monkeypatch):
    monkeypatch.setattr(prefixes, "MOST_SECONDS", 0.0)
    with pytest.raises(Unavailable, match="too long"):
        PrefixTimer(model, 1, [images()])
    monkeypatch.setattr(prefixes, "MOST_BYTES", 10)
    with pytest.raises(Unavailable, match="too much memory"):
        PrefixTimer(model, 1, [images()])
