"""Placement for kernels that are 8-bit kernels only where their output is in 8 bits: ONNX Runtime forms them all."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from roundoff.backend.base import Source
from roundoff.backend.onnxrt.backend import OnnxRuntime
from roundoff.errors import BuildError
from roundoff.precision.base import Grid
from roundoff.precision.int8 import Int8
from roundoff.precision.int8_fp16 import Int8Fp16
from tests.support.networks import relative_error, run, table_of

GRID = OnnxRuntime.grid
SIZE = 8


class Net:
    """A graph that is written node by node: image uint8 [N, 8, 8, 3] → … → logits [N, 10]."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0)
        self.nodes: list[onnx.NodeProto] = []
        self.stored: list[onnx.TensorProto] = []
        pixels = self.op("Cast", ["image"], to=TensorProto.FLOAT)
        self.start = self.op("Transpose", [self.op("Mul", [pixels, self.constant(1 / 64)])], perm=[0, 3, 1, 2])

    def constant(self, values: Any, dtype: type = np.float32) -> str:
        self.stored.append(numpy_helper.from_array(np.asarray(values, dtype), f"c{len(self.stored)}"))
        return str(self.stored[-1].name)

    def op(self, operator: str, inputs: list[str], **attributes: Any) -> str:
        name = f"{operator.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], name, **attributes))
        return name

    def conv(self, name: str, given: int, made: int, kernel: int = 3, group: int = 1) -> str:
        shape = (made, given // group, kernel, kernel)
        weight = self.random.normal(size=shape) * np.sqrt(2 / (given // group * kernel * kernel))
        inputs = [name, self.constant(weight), self.constant(self.random.normal(size=made) * 0.3)]
        return self.op("Conv", inputs, pads=[kernel // 2] * 4, kernel_shape=[kernel, kernel], group=group)

    def by_channel(self, operator: str, name: str, channels: int) -> str:
        return self.op(operator, [name, self.constant(self.random.uniform(-1, 1.5, (channels, 1, 1)))])

    def model(self, name: str, channels: int) -> onnx.ModelProto:
        mean = self.op("ReduceMean", [name, self.constant([2, 3], np.int64)], keepdims=0)
        head = [mean, self.constant(self.random.normal(size=(channels, 10)))]
        self.nodes.append(helper.make_node("Gemm", head, ["logits"], "head"))
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.nodes,
            "net",
            [value("image", TensorProto.UINT8, ["N", SIZE, SIZE, 3])],
            [value("logits", TensorProto.FLOAT, ["N", 10])],
            self.stored,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def swish(net: Net, name: str) -> str:
    return net.op("Mul", [name, net.op("Sigmoid", [name])])


def hard_swish(net: Net, name: str) -> str:
    shifted = net.op("Clip", [net.op("Add", [name, net.constant(3)]), net.constant(0), net.constant(6)])
    return net.op("Mul", [name, net.op("Mul", [shifted, net.constant(1 / 6)])])


def normalized(net: Net, name: str, channels: int) -> str:
    return net.by_channel("Add", net.by_channel("Mul", name, channels), channels)


def swish_net() -> onnx.ModelProto:
    net = Net()
    return net.model(net.conv(swish(net, net.conv(swish(net, net.conv(net.start, 3, 8)), 8, 8)), 8, 8), 8)


def hard_swish_net() -> onnx.ModelProto:
    net = Net()
    return net.model(net.conv(hard_swish(net, net.conv(hard_swish(net, net.conv(net.start, 3, 8)), 8, 8)), 8, 8), 8)


def squeezed_net() -> onnx.ModelProto:
    """Squeeze and excitation."""
    net = Net()
    wide = net.op("Relu", [net.conv(net.start, 3, 8)])
    mean = net.op("ReduceMean", [wide, net.constant([2, 3], np.int64)], keepdims=1)
    gate = net.conv(net.op("Relu", [net.conv(mean, 8, 4, 1)]), 4, 8, 1)
    sixth = net.op("Add", [net.op("Mul", [gate, net.constant(1 / 6)]), net.constant(0.5)])
    hard = net.op("Clip", [sixth, net.constant(0), net.constant(1)])
    return net.model(net.conv(net.op("Mul", [wide, hard]), 8, 8), 8)


def branched_net() -> onnx.ModelProto:
    """Branches that meet in a Concat, as in Inception."""
    net = Net()
    stem = net.op("Relu", [net.conv(net.start, 3, 8)])
    pooled = net.op("AveragePool", [stem], kernel_shape=[3, 3], pads=[1] * 4)
    branches = [net.op("Relu", [net.conv(stem, 8, 4, 1)]), net.op("Relu", [net.conv(pooled, 8, 4, 1)])]
    joined = net.op("MaxPool", [net.op("Concat", branches, axis=1)], kernel_shape=[2, 2], strides=[2, 2])
    return net.model(net.conv(joined, 8, 8), 8)


def behind_relu_net() -> onnx.ModelProto:
    """Batch norm behind ReLU, which no Conv can take up."""
    net = Net()
    first = normalized(net, net.op("Relu", [net.conv(net.start, 3, 8)]), 8)
    second = normalized(net, net.op("Relu", [net.conv(first, 8, 8)]), 8)
    return net.model(net.conv(second, 8, 8), 8)


def densely_connected_net() -> onnx.ModelProto:
    """Batch norm behind Concats of Concats, as in a DenseNet."""
    net = Net()
    wide = net.conv(net.start, 3, 8)
    for channels in (8, 12, 16):
        inside = net.op("Relu", [normalized(net, wide, channels)])
        wide = net.op("Concat", [wide, net.conv(inside, channels, 4)], axis=1)
    return net.model(net.op("Relu", [normalized(net, wide, 20)]), 20)


def pre_activation_net() -> onnx.ModelProto:
    net = Net()
    stem = net.conv(net.start, 3, 8)
    inside = net.op("Relu", [normalized(net, stem, 8)])
    total = net.op("Add", [stem, net.conv(inside, 8, 8)])
    return net.model(net.conv(net.op("Relu", [normalized(net, total, 8)]), 8, 8), 8)


def flattened_net() -> onnx.ModelProto:
    net = Net()
    pooled = net.op("MaxPool", [net.op("Relu", [net.conv(net.start, 3, 8)])], kernel_shape=[2, 2], strides=[2, 2])
    flat = net.op("Reshape", [net.op("Transpose", [pooled], perm=[0, 2, 3, 1]), net.constant([-1, 128], np.int64)])
    inner = [flat, net.constant(net.random.normal(size=(128, 16)) / 8), net.constant(net.random.normal(size=16))]
    hidden = net.op("Reshape", [net.op("Relu", [net.op("Gemm", inner)]), net.constant([-1, 16, 1, 1], np.int64)])
    return net.model(hidden, 16)


NETS = {
    "swish": swish_net,
    "hard swish": hard_swish_net,
    "squeeze and excitation": squeezed_net,
    "concat": branched_net,
    "batch norm behind relu": behind_relu_net,
    "dense": densely_connected_net,
    "pre-activation": pre_activation_net,
    "flatten": flattened_net,
}


def images(count: int = 32) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


def built(model: onnx.ModelProto, folder: Path, precision: Int8 | None = None) -> tuple[onnx.ModelProto, OnnxRuntime]:
    backend = OnnxRuntime(threads=1)
    onnx.save(model, folder / "graph.onnx")
    backend.build(Source("int8", precision or Int8(), folder / "graph.onnx", None, images()), folder)
    return onnx.load(folder / backend.artifact), backend


@pytest.mark.parametrize("name", NETS)
def test_every_layer_but_the_last_is_an_8_bit_kernel(name, tmp_path):
    model = NETS[name]()
    made, backend = built(Int8().convert(model, GRID, table_of(model)), tmp_path)
    found = Counter(node.op_type for node in made.graph.node)
    assert (found["Conv"] + found["FusedConv"], found["Gemm"]) == (0, 1)
    assert found["QLinearConv"] + found["QGemm"] >= sum(n.op_type in ("Conv", "Gemm") for n in model.graph.node) - 1
    with backend.load(tmp_path) as runner:
        error = relative_error(runner.infer(images()), run(model, images())[0])
    assert 0 < error < 0.05


@pytest.mark.parametrize("name", NETS)
def test_the_graph_as_written_stays_close_and_tensorrts_has_no_more_pairs_than_before(name):
    model = NETS[name]()
    table = table_of(model)
    for grid in (GRID, Grid()):
        made = Int8().convert(model, grid, table)
        assert relative_error(run(made, images())[0], run(model, images())[0]) < 0.05
    adds = [node for node in model.graph.node if node.op_type == "Add"]
    taken = {node.input[0] for node in model.graph.node if node.op_type in ("Conv", "Gemm")}
    taken |= {name for node in adds for name in node.input}
    assert {node.input[0] for node in made.graph.node if node.op_type == "QuantizeLinear"} <= taken


@pytest.mark.parametrize("name", NETS)
def test_beside_float16_no_chain_is_laid_since_no_kernel_would_be_formed(name, tmp_path):
    model = NETS[name]()
    table = table_of(model)
    pairs = [
        {
            node.input[0]
            for node in Int8Fp16().convert(model, grid, table).graph.node
            if node.op_type == "QuantizeLinear"
        }
        for grid in (GRID, Grid())
    ]
    assert pairs[0] == pairs[1]
    _, backend = built(Int8Fp16().convert(model, GRID, table), tmp_path, Int8Fp16())
    with backend.load(tmp_path) as runner:
        assert relative_error(runner.infer(images()), run(model, images())[0]) < 0.05


def test_a_product_with_a_number_is_another_reading_of_the_same_codes():
    made = Int8().convert(hard_swish_net(), GRID, table_of(hard_swish_net()))
    scales = {
        t.name: float(numpy_helper.to_array(t))
        for t in made.graph.initializer
        if t.name.endswith("/scale") and not t.dims
    }
    names = [node.name for node in hard_swish_net().graph.node if node.op_type == "Mul"][1::2]
    clipped = [node.name for node in hard_swish_net().graph.node if node.op_type == "Clip"]
    for product, taken in zip(names, clipped, strict=True):
        assert scales[f"{product}/scale"] == pytest.approx(scales[f"{taken}/scale"] / 6)
    assert not {node.name for node in made.graph.node if node.op_type == "Mul"}.intersection(names)


def test_scales_and_offsets_by_channel_lose_nothing():
    model = behind_relu_net()
    made = Int8().convert(model, GRID, table_of(model))
    values = {t.name: numpy_helper.to_array(t) for t in made.graph.initializer}
    (name, *_) = [name for name in values if name.endswith("by_channel/codes")]
    wanted = next(numpy_helper.to_array(t).ravel() for t in model.graph.initializer if list(t.dims) == [8, 1, 1])
    scale = values[name.replace("codes", "scale")]
    np.testing.assert_allclose(values[name].ravel() * scale, wanted, rtol=1e-6)


def test_parts_of_a_concat_are_scaled_on_their_own_grids_and_given_on_that_of_the_whole():
    model = densely_connected_net()
    made = Int8().convert(model, GRID, table_of(model))
    pairs = {node.input[0]: node.input[1] for node in made.graph.node if node.op_type == "QuantizeLinear"}
    grids = {t.name: float(numpy_helper.to_array(t)) for t in made.graph.initializer if t.name in pairs.values()}
    joined = [node for node in made.graph.node if node.op_type == "Concat" and "part_" in node.input[0]]
    assert [len(node.input) for node in joined] == [2, 3]
    for node in joined:
        parts = {grids[pairs[name.removesuffix("/quantized")]] for name in node.input}
        assert parts == {grids[pairs[node.output[0]]]}
    convs = [node for node in made.graph.node if node.op_type == "Conv"]
    taken = {node.input[0] for node in convs if "by_channel" in node.input[1]}
    assert len({grids[pairs[name.removesuffix("/quantized")]] for name in taken}) == 3


@pytest.mark.parametrize("excluded", [{"exclude_types": ["Concat"]}, {"exclude_nodes": ["*part_1"]}])
def test_a_part_has_the_range_of_the_whole_where_the_whole_is_excluded(excluded):
    model = densely_connected_net()
    made = Int8(**excluded).convert(model, GRID, table_of(model))
    assert relative_error(run(made, images())[0], run(model, images())[0]) < 0.05


def test_a_scaling_that_no_8_bit_layer_reads_stays_in_float():
    net = Net()
    scaled = normalized(net, net.op("Relu", [net.conv(net.conv(net.start, 3, 8), 8, 8)]), 8)
    model = net.model(scaled, 8)
    made = Int8().convert(model, GRID, table_of(model))
    assert scaled not in {node.input[0] for node in made.graph.node if node.op_type == "QuantizeLinear"}
    assert [node.op_type for node in made.graph.node].count("Conv") == 2


def test_the_pixels_own_scaling_stays_as_it_is():
    net = Net()
    model = net.model(net.conv(net.op("Relu", [net.conv(net.by_channel("Mul", net.start, 3), 3, 8)]), 8, 8), 8)
    made = Int8().convert(model, GRID, table_of(model))
    assert sum(node.op_type == "Mul" for node in made.graph.node) == 2


@pytest.mark.parametrize(
    ("excluded", "left"),
    [({"exclude_types": ["Mul"]}, "Sigmoid"), ({"exclude_nodes": ["sigmoid*"]}, "Sigmoid")],
    ids=["by type", "by name"],
)
def test_links_of_chains_can_be_excluded_on_every_grid(excluded, left):
    model = swish_net()
    for grid in (GRID, Grid()):
        made = Int8(**excluded).convert(model, grid, table_of(model))
        outputs = {node.output[0] for node in made.graph.node if node.op_type == left}
        assert not outputs & {node.input[0] for node in made.graph.node if node.op_type == "QuantizeLinear"}


def test_a_tensor_of_the_noise_report_can_be_excluded():
    model = swish_net()
    named = next(node.output[0] for node in model.graph.node if node.op_type == "Conv")
    for name in Int8().quantized_tensors(model, GRID):
        Int8(exclude_nodes=[name]).convert(model, GRID, table_of(model))
    made = Int8(exclude_nodes=[named]).convert(model, GRID, table_of(model))
    assert f"{named}/quantize" not in {node.name for node in made.graph.node}
    with pytest.raises(BuildError, match="matches no node"):
        Int8(exclude_nodes=["logits"]).convert(model, GRID, table_of(model))
