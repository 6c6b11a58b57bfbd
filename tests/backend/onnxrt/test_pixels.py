"""Pixels that are scaled by one number reach 8-bit kernels as they are."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from roundoff.backend.base import Source
from roundoff.backend.onnxrt.backend import OnnxRuntime
from roundoff.backend.onnxrt.pixels import with_pixels_as_codes
from roundoff.precision.int8 import Int8
from tests.support.machine import eight_bits
from tests.support.networks import relative_error, run, table_of

SIZE, CLASSES = 8, 10
IMAGES = np.random.default_rng(5).integers(0, 256, (64, SIZE, SIZE, 3), dtype=np.uint8)


def network(scale, offset, padding=0):
    """uint8 [N, 8, 8, 3] × scale + offset → Conv, Relu → mean → MatMul → logits [N, 10]."""
    random = np.random.default_rng(0)
    constants = {
        "scale": np.asarray(scale, np.float32),
        "offset": np.asarray(offset, np.float32),
        "kernel": random.normal(size=(8, 3, 3, 3)).astype(np.float32),
        "bias": random.normal(size=8).astype(np.float32),
        "dense": random.normal(size=(8, CLASSES)).astype(np.float32),
        "axes": np.array([2, 3]),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "offset"], ["moved"]),
        helper.make_node("Transpose", ["moved"], ["channels"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["channels", "kernel", "bias"], ["conv"], pads=[padding] * 4),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("ReduceMean", ["relu", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "dense"], ["logits"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIZE, SIZE, 3])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", CLASSES])
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "network", [image], [logits], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def paired(model):
    return Int8(bias_correction=False).convert(model, OnnxRuntime.grid, table_of(model))


def before_the_first_conv(model):
    names = [node.op_type for node in model.graph.node]
    return names[: names.index("Conv")]


def conv_of(model, images=IMAGES):
    """What the Conv gives, of floats."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    name = next(node.output[0] for node in copy.graph.node if node.op_type == "Conv")
    copy.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    return run(copy, images)[1]


@pytest.mark.parametrize(
    ("scale", "offset", "rounded"), [(1 / 255, 0.0, 0.0), (1 / 127.5, -1.0, 1e-3), (1.0, -120.0, 0.0), (1.0, 0.0, 0.0)]
)
def test_a_convolution_reads_pixels_without_an_error(scale, offset, rounded):
    before = paired(network(scale, offset))
    after = with_pixels_as_codes(before)
    assert after is not None
    assert before_the_first_conv(after).count("QuantizeLinear") == before_the_first_conv(after).count("Cast") == 0
    weights = next(node for node in before.graph.node if node.op_type == "Conv").input[1]
    exact = onnx.ModelProto()
    exact.CopyFrom(before)  # with rounded weights, the pixels in float
    conv = next(node for node in exact.graph.node if node.op_type == "Conv")
    conv.input[0], conv.input[1] = "channels", weights
    wanted = conv_of(exact)
    assert relative_error(conv_of(after), wanted) < 1e-6
    assert relative_error(conv_of(before), wanted) >= rounded


def test_at_a_padded_border_half_a_step_is_left():
    floats = network(1 / 127.5, -1.0, padding=1)
    before = paired(floats)
    after = with_pixels_as_codes(before)
    assert after is not None
    wanted = run(floats, IMAGES)[0]
    assert relative_error(run(after, IMAGES)[0], wanted) < 1.1 * relative_error(run(before, IMAGES)[0], wanted)


@pytest.mark.parametrize(
    ("scale", "offset"),
    [(np.full(3, 1 / 255), 0.0), (1 / 255, np.full(3, 0.1)), (1 / 255, 0.5), (1 / 255, -2.0), (-1 / 255, 1.0)],
)
def test_pixels_that_lie_on_no_such_grid_are_rounded_as_before(scale, offset):
    assert with_pixels_as_codes(paired(network(scale, offset))) is None


def test_a_float_graph_has_nothing_to_be_read_so():
    assert with_pixels_as_codes(network(1 / 255, 0.0)) is None


@pytest.mark.parametrize(("given", "roundings"), [(False, 0), (True, 1)])
def test_what_is_built_reads_pixels_so_but_a_given_graph_stays_as_it_is(tmp_path, given, roundings):
    floats = network(1 / 127.5, -1.0)
    graph = tmp_path / "graph.onnx"
    onnx.save(paired(floats), graph)
    source = Source("int8", Int8(), graph, None, IMAGES, given=graph if given else None)
    info = OnnxRuntime(threads=1).build(source, tmp_path)
    built = onnx.load(tmp_path / "model.onnx")
    assert [node.op_type for node in built.graph.node].count("QuantizeLinear") == roundings
    assert info.layer_types is not None
    assert info.layer_types[eight_bits()] == 1
    with OnnxRuntime(threads=1).load(tmp_path) as runner:
        assert relative_error(runner.infer(IMAGES), run(floats, IMAGES)[0]) < 0.03
