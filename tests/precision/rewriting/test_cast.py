"""FP16, BF16 and the two float32 precisions: what is lowered, what stays, and what is refused."""

from __future__ import annotations

import logging
from collections import Counter

import ml_dtypes
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from roundoff.errors import BuildError
from roundoff.precision.base import Grid
from roundoff.precision.bf16 import Bf16
from roundoff.precision.fp16 import Fp16
from roundoff.precision.fp32 import Fp32
from roundoff.precision.rewriting.cast import lower, opset_of
from roundoff.precision.rewriting.float_types import BFLOAT16, FLOAT16
from roundoff.precision.rewriting.kept import kept_notes
from roundoff.precision.tf32 import Tf32
from tests.support.networks import pictures, relative_error, residual_network, run, types


def node(model: onnx.ModelProto, name: str) -> onnx.NodeProto:
    nodes: dict[str, onnx.NodeProto] = {n.name: n for n in model.graph.node}
    return nodes[name]


@pytest.mark.parametrize("precision", [Fp32(), Tf32()])
def test_float32_precisions_change_nothing(precision):
    model = residual_network()
    converted = precision.convert(model, Grid(), None)
    assert converted == model
    assert converted is not model


def test_only_tf32_lets_the_engine_use_tf32():
    assert (Fp32.allows_tf32, Tf32.allows_tf32, Fp16.allows_tf32) == (False, True, False)


@pytest.mark.parametrize(("precision", "code"), [(Fp16(), TensorProto.FLOAT16), (Bf16(), TensorProto.BFLOAT16)])
def test_convolutions_read_the_half_type_and_ends_keep_theirs(precision, code):
    model = residual_network()
    converted = precision.convert(model, Grid(), None)
    found = types(converted)
    for name in ("conv1", "conv2", "dense"):
        assert {found[i] for i in node(converted, name).input} == {code}
    assert [(i.name, found[i.name]) for i in converted.graph.input] == [("image", TensorProto.UINT8)]
    assert [(o.name, found[o.name]) for o in converted.graph.output] == [("logits", TensorProto.FLOAT)]
    assert model == residual_network()


def test_pixel_scaling_stays_in_float32():
    converted = Fp16().convert(residual_network(), Grid(), None)
    found = types(converted)
    assert {found[name] for name in ("pixels", "scaled", "centred", "planes")} == {TensorProto.FLOAT}
    assert found["relu1"] == TensorProto.FLOAT16


def test_casts_stand_only_where_types_meet():
    casts = Counter(n.op_type for n in Fp16().convert(residual_network(), Grid(), None).graph.node)["Cast"]
    assert casts == 3  # pixels to float32, planes to float16, logits back


def test_float16_error_is_that_of_ten_bits():
    model, images = residual_network(), pictures()
    error = relative_error(run(Fp16().convert(model, Grid(), None), images)[0], run(model, images)[0])
    assert 1e-5 < error < 2e-3


def test_bfloat16_is_a_type_of_its_operator_set():
    assert opset_of(Bf16().convert(residual_network(), Grid(), None)) == 22


@pytest.mark.parametrize("keep", ["conv2", "Conv", "c*2", "kernel2"])
def test_kept_nodes_compute_in_float32(keep):
    model, images = residual_network(), pictures()
    converted = Fp16(keep_float32=(keep,)).convert(model, Grid(), None)
    found = types(converted)
    assert {found[i] for i in node(converted, "conv2").input} == {TensorProto.FLOAT}
    assert {found[i] for i in node(converted, "dense").input} == {TensorProto.FLOAT16}
    assert relative_error(run(converted, images)[0], run(model, images)[0]) < 2e-3


def test_an_entry_of_keep_that_names_nothing_is_refused():
    with pytest.raises(BuildError, match=r"names no node, tensor.*\n  received: conv3\n  expected: .*Conv.*conv2"):
        Fp16(keep_float32=("conv3",)).convert(residual_network(), Grid(), None)


def test_keeping_one_node_without_a_name_keeps_no_other():
    model = residual_network()
    for each in model.graph.node:
        each.name = ""
    found = types(Fp16(keep_float32=("Relu",)).convert(model, Grid(), None))
    assert (found["relu1"], found["sum"]) == (TensorProto.FLOAT, TensorProto.FLOAT16)


@pytest.mark.parametrize(
    "constant",
    [
        helper.make_node("Constant", [], ["half"], value_float=0.5),
        helper.make_node("Constant", [], ["half"], value_floats=[0.5]),
        helper.make_node("ConstantOfShape", ["shape"], ["half"]),
    ],
    ids=lambda node: f"{node.op_type} {[a.name for a in node.attribute]}",
)
def test_every_kind_of_constant_is_lowered(constant):
    model = residual_network()
    model.graph.initializer.append(numpy_helper.from_array(np.array([1]), "shape"))
    model.graph.node.insert(0, constant)
    node(model, "skip").input[1] = "halved"
    model.graph.node.insert(7, helper.make_node("Mul", ["relu1", "half"], ["halved"], "halve"))
    converted = Fp16().convert(model, Grid(), None)
    assert types(converted)["halved"] == TensorProto.FLOAT16
    assert relative_error(run(converted, pictures())[0], run(model, pictures())[0]) < 2e-3


def test_a_node_whose_weight_is_beyond_the_range_stays_in_float32_by_itself_and_is_listed():
    converted = Fp16().convert(residual_network(scale=1e6), Grid(), None)
    found = types(converted)
    assert {found[name] for name in node(converted, "conv1").input} == {TensorProto.FLOAT}
    assert {found[name] for name in node(converted, "conv2").input} == {TensorProto.FLOAT16}
    (note,) = kept_notes(converted)
    assert (note.code, note.values["names"]) == ("kept_for_constants", ["conv1 (kernel1)"])
    assert kept_notes(Bf16().convert(residual_network(scale=1e6), Grid(), None)) == []


def test_a_kept_node_may_hold_what_float16_cannot():
    Fp16(keep_float32=("conv1",)).convert(residual_network(scale=1e6), Grid(), None)


def test_subnormal_weights_are_counted_and_said(caplog):
    with caplog.at_level(logging.WARNING):
        converted = Fp16().convert(residual_network(scale=1e-7), Grid(), None)
    props = {p.key: int(p.value) for p in converted.metadata_props}
    assert props["roundoff.subnormal_weights"] >= 432
    assert 0 < props["roundoff.zeroed_weights"] < props["roundoff.subnormal_weights"] < props["roundoff.weights"]
    assert f"{props['roundoff.subnormal_weights']} of {props['roundoff.weights']} weights are subnormal" in caplog.text


def test_constant_nodes_are_lowered_like_initializers():
    model = residual_network()
    dense = next(i for i in model.graph.initializer if i.name == "dense")
    constant = helper.make_node("Constant", [], ["dense"], "dense_weights", value=dense)
    model.graph.initializer.remove(dense)
    model.graph.node.insert(0, constant)
    converted = Fp16().convert(model, Grid(), None)
    assert types(converted)[node(converted, "dense").input[1]] == TensorProto.FLOAT16


def test_an_input_that_the_operator_wants_in_float32_stays():
    model = residual_network()
    scales = numpy_helper.from_array(np.array([1, 1, 1, 1], np.float32), "scales")
    model.graph.initializer.append(scales)
    resize = helper.make_node("Resize", ["relu2", "", "scales"], ["resized"], "resize", mode="nearest")
    model.graph.node.insert(9, resize)
    node(model, "mean").input[0] = "resized"
    converted = Fp16().convert(model, Grid(), None)
    found = types(converted)
    assert [found[name] for name in node(converted, "resize").input if name] == [TensorProto.FLOAT16, TensorProto.FLOAT]
    run(converted, pictures(2))


def test_control_flow_is_refused():
    model = residual_network()
    branch = helper.make_graph([], "branch", [], [helper.make_tensor_value_info("relu2", TensorProto.FLOAT, None)])
    model.graph.node.append(helper.make_node("If", ["c"], ["d"], "if", then_branch=branch, else_branch=branch))
    with pytest.raises(BuildError, match="cannot be lowered to 16 bits\n  received: If"):
        lower(model, FLOAT16)


@pytest.mark.parametrize("half", [FLOAT16, BFLOAT16], ids=["float16", "bfloat16"])
def test_limits_are_those_of_the_type(half):
    info = ml_dtypes.finfo(half.dtype)
    assert half.largest == float(info.max)
    assert half.smallest_normal == float(info.smallest_normal)
    assert half.smallest == float(info.smallest_subnormal)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-6e4, 6e4, width=32), min_size=16 * 10, max_size=16 * 10))
def test_lowered_weights_are_the_nearest_float16(values):
    model = residual_network()
    wanted = np.array(values, np.float32).reshape(16, 10)
    next(i for i in model.graph.initializer if i.name == "dense").CopyFrom(numpy_helper.from_array(wanted, "dense"))
    converted = Fp16().convert(model, Grid(), None)
    name = node(converted, "dense").input[1]
    found = numpy_helper.to_array(next(i for i in converted.graph.initializer if i.name == name))
    np.testing.assert_array_equal(found, wanted.astype(np.float16))
