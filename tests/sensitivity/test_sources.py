import numpy as np
import onnx
import pytest

from roundoff.precision.base import Grid
from roundoff.precision.fp8 import Fp8
from roundoff.precision.int8 import Int8
from roundoff.sensitivity.measure import all_reads, left_out
from roundoff.sensitivity.sources import parts_of
from roundoff.sensitivity.variants import rewired, with_versions
from tests.support.networks import pictures, relative_error, residual_network, run, table_of
from tests.support.product import product_network, product_table

GRIDS = {"TensorRT": Grid(), "CPU": Grid("uint8", symmetric=False)}


def parts(precision, grid, model=None):
    model = model or residual_network()
    return parts_of(precision.float_graph(model, grid), precision.with_pairs(model, grid, table_of(model)))


@pytest.mark.parametrize("precision", [Int8(last_layer=True), Fp8(last_layer=True)], ids=["int8", "fp8"])
@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_with_all_sources_on_the_graph_is_the_quantized_one(precision, grid):
    model = residual_network()
    made = parts(precision, grid)
    whole = run(rewired(made.model, all_reads(made.sources)), pictures())[0]
    assert relative_error(whole, run(precision.with_pairs(model, grid, table_of(model)), pictures())[0]) < 1e-6


def test_without_any_source_the_graph_is_the_float_one():
    made = parts(Int8(), Grid())
    onnx.checker.check_model(made.model)
    assert np.array_equal(run(made.model, pictures())[0], run(residual_network(), pictures())[0])


def test_sources_are_the_tensors_that_the_graph_holds_in_8_bits():
    made = parts(Int8(last_layer=True), Grid())
    named = {(source.name, source.kind) for source in made.sources}
    assert {name for name, _ in named} == Int8(last_layer=True).quantized_tensors(residual_network(), Grid())
    assert {name for name, kind in named if kind == "weight"} == {"kernel1", "kernel2", "dense"}


def test_a_source_names_the_nodes_that_read_it():
    made = parts_of(product_network(), Int8(last_layer=True).with_pairs(product_network(), Grid(), product_table()))
    readers = {source.name: source.readers for source in made.sources}
    assert readers == {
        "flat": ("layer1/MatMul",),
        "first": ("layer1/MatMul",),
        "hidden": ("layer2/MatMul",),
        "second": ("layer2/MatMul",),
    }


def test_a_corrected_bias_belongs_to_its_weight():
    model = residual_network()
    table = table_of(model)
    first = table.ranges["planes"]
    table.ranges["planes"] = type(first)(**{**vars(first), "channel_means": [0.1, 0.2, 0.3]})
    made = parts_of(model, Int8().with_pairs(model, Grid(), table))
    weight = next(source for source in made.sources if source.name == "kernel1")
    assert sorted(slot for _, slot in weight.reads) == [1, 2]


def moved_network():
    """What the first Conv gives is only moved by a MaxPool before the second one reads it."""
    model = residual_network()
    pool = onnx.helper.make_node("MaxPool", ["relu1"], ["pooled"], "pool", kernel_shape=[1, 1])
    nodes = list(model.graph.node)
    place = next(i for i, node in enumerate(nodes) if "relu1" in node.output) + 1
    second = next(node for node in nodes if node.name == "conv2")
    second.input[0] = "pooled"
    nodes.insert(place, pool)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def test_tensors_on_one_grid_that_are_only_moved_are_one_source():
    made = parts(Int8(last_layer=True), GRIDS["CPU"], moved_network())
    names = [source.name for source in made.sources]
    assert "relu1" in names
    assert "pooled" not in names
    moved = next(source for source in made.sources if source.name == "relu1")
    assert {tensor.removesuffix("/quantized") for tensor in moved.reads.values()} == {"relu1", "pooled"}


def test_versions_share_what_they_have_in_common():
    made = parts(Int8(), Grid())
    late = made.sources[-1]
    graph = with_versions(made.model, [late.reads]).graph
    assert len(graph.node) < 2 * len(residual_network().graph.node)
    assert sum(node.output[0].startswith("conv1") for node in graph.node) == 1


def test_each_version_gives_what_its_own_graph_would_give():
    made = parts(Int8(last_layer=True), GRIDS["CPU"])
    versions = [source.reads for source in made.sources]
    together = run(with_versions(made.model, versions), pictures())
    assert np.array_equal(together[0], run(residual_network(), pictures())[0])
    for found, reads in zip(together[1:], versions, strict=True):
        assert np.array_equal(found, run(rewired(made.model, reads), pictures())[0])


def test_a_source_that_is_left_out_of_the_whole_is_float_there():
    made = parts(Int8(last_layer=True), GRIDS["CPU"])
    whole = rewired(made.model, all_reads(made.sources))
    found = run(with_versions(whole, [left_out(made, [0])]), pictures())[1]
    rest = all_reads(made.sources[1:])
    assert relative_error(found, run(rewired(made.model, rest), pictures())[0]) < 1e-6
