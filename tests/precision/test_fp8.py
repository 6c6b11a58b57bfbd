"""FP8 (E4M3) and INT8 with a float16 remainder."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import TensorProto, helper, numpy_helper

from roundoff.calibration.base import TensorRange
from roundoff.calibration.observing.table import CalibrationTable
from roundoff.errors import CalibrationError
from roundoff.precision.base import Grid
from roundoff.precision.fp8 import LARGEST, E4m3Codec, Fp8
from roundoff.precision.int8 import Int8
from roundoff.precision.int8_fp16 import Int8Fp16
from roundoff.precision.rewriting.kept import kept_notes
from tests.support.networks import pictures, relative_error, residual_network, run, table_of, types


def quantized_type(model: onnx.ModelProto, convolution: str) -> set[int]:
    """The types that the convolution's operands have before they are dequantized."""
    found = types(model)
    makers = {name: n for n in model.graph.node for name in n.output}
    conv = next(n for n in model.graph.node if n.name == convolution)
    return {found[makers[name].input[0]] for name in conv.input[:2]}


@pytest.mark.parametrize(
    ("precision", "code", "error"),
    [(Fp8(), TensorProto.FLOAT8E4M3FN, 0.1), (Int8Fp16(), TensorProto.INT8, 0.02)],
    ids=["fp8", "int8_fp16"],
)
def test_operands_are_eight_bits_and_the_rest_is_float16(precision, code, error):
    model = residual_network()
    converted = precision.convert(model, Grid(), table_of(model))
    assert quantized_type(converted, "conv1") == quantized_type(converted, "conv2") == {code}
    found = types(converted)
    assert {found[name] for name in ("conv1", "relu1", "sum", "relu2", "features")} == {TensorProto.FLOAT16}
    assert found["logits"] == TensorProto.FLOAT
    images = pictures()
    assert relative_error(run(converted, images)[0], run(model, images)[0]) < error


def test_the_tensors_that_are_told_are_those_that_are_quantized():
    model = residual_network()
    read = {
        n.input[0] for n in Fp8().convert(model, Grid(), table_of(model)).graph.node if n.op_type == "QuantizeLinear"
    }
    told = Fp8().quantized_tensors(model, Grid())
    assert told - {tensor.name for tensor in model.graph.initializer} == {
        name.removesuffix("_float16") for name in read
    }
    assert Fp8(exclude_nodes=["conv2"]).quantized_tensors(model, Grid()) < told


@pytest.mark.parametrize("depthwise", [False, True])
def test_depthwise_convolutions_stay_in_float16_unless_asked_for(depthwise):
    model = depthwise_network()
    makers = {
        name: n
        for n in Fp8(depthwise=depthwise).convert(model, Grid(), table_of(model)).graph.node
        for name in n.output
    }
    behind_pairs = {
        name: all(makers[i].op_type == "DequantizeLinear" for i in makers[name].input[:2] if i in makers)
        for name in ("conv1", "conv2")
    }
    assert behind_pairs == {"conv1": True, "conv2": depthwise}


def depthwise_network() -> onnx.ModelProto:
    """The residual network with a kernel for each channel alone in its second convolution."""
    model = residual_network()
    kernel = next(i for i in model.graph.initializer if i.name == "kernel2")
    kernel.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(kernel)[:, :1], "kernel2"))
    next(n for n in model.graph.node if n.name == "conv2").attribute.append(helper.make_attribute("group", 16))
    return model


def test_int8_fp16_has_int8s_pairs():
    model = residual_network()
    table = table_of(model)
    count = [Counter(n.op_type for n in p.convert(model, Grid(), table).graph.node) for p in (Int8(), Int8Fp16())]
    assert count[0]["QuantizeLinear"] == count[1]["QuantizeLinear"] > 0


@pytest.mark.parametrize("precision", [Fp8(), Int8Fp16()], ids=["fp8", "int8_fp16"])
def test_no_cast_stands_between_a_pair_and_its_convolution(precision):
    model = residual_network()
    converted = precision.convert(model, Grid(), table_of(model))
    makers = {name: n.op_type for n in converted.graph.node for name in n.output}
    for conv in (n for n in converted.graph.node if n.op_type == "Conv"):
        assert [makers[name] for name in conv.input[:2]] == ["DequantizeLinear"] * 2


@pytest.mark.parametrize("precision", [Fp8(), Int8Fp16()], ids=["fp8", "int8_fp16"])
def test_a_table_is_required_and_must_be_of_this_model(precision):
    with pytest.raises(CalibrationError, match="needs a calibration table"):
        precision.convert(residual_network(), Grid(), None)
    with pytest.raises(CalibrationError, match="made from another model"):
        precision.convert(residual_network(), Grid(), table_of(residual_network(seed=1)))


def changed(tensor: str, **change: Any) -> CalibrationTable:
    table = table_of(residual_network())
    return CalibrationTable(table.ranges | {tensor: replace(table.ranges[tensor], **change)}, table.provenance)


def test_a_scale_that_float16_cannot_hold_is_refused():
    with pytest.raises(CalibrationError, match="activation relu1 does not fit float16"):
        Fp8().convert(residual_network(), Grid(), changed("relu1", low=0.0, high=1e-6))


@pytest.mark.parametrize("precision", [Fp8(), Int8Fp16()], ids=["fp8", "int8_fp16"])
def test_a_tensor_beyond_float16_stays_in_float32_with_its_pair_and_is_listed(precision):
    converted = precision.convert(residual_network(), Grid(), changed("relu1", seen_high=1e5))
    found = types(converted)
    assert {found["relu1"], found["relu1/quantized"]} == {TensorProto.FLOAT}
    assert found["relu2"] == TensorProto.FLOAT16
    (note,) = kept_notes(converted)
    assert (note.code, note.values["names"]) == ("kept_for_overflows", ["relu1 (1e+05)"])


@pytest.mark.parametrize(
    ("tensor", "change", "keep"),
    [("relu2", {"low": 0.0, "high": 1e-6}, []), ("relu2", {"seen_high": 1e5}, ["relu2", "mean", "dense"])],
    ids=["a scale that nothing uses", "a tensor that stays in float32"],
)
def test_ranges_that_float16_need_not_hold_are_no_matter(tensor, change, keep):
    model = residual_network()
    table = table_of(model)
    ranges = table.ranges | {tensor: replace(table.ranges[tensor], **change)}
    Fp8(keep_float32=keep).convert(model, Grid(), CalibrationTable(ranges, table.provenance))


# below, the scale itself is subnormal in float32 and has fewer bits than E4M3 needs
finite = st.floats(-1e4, 1e4, width=32).map(lambda value: value if abs(value) > 1e-30 else 0.0)


@given(hnp.arrays(np.float32, (4, 3), elements=finite))
def test_weights_round_to_e4m3_within_half_a_step(values):
    scales, codes = E4m3Codec().weight(values, 0)
    assert codes.dtype == ml_dtypes.float8_e4m3fn
    assert np.isfinite(codes.astype(np.float32)).all()
    back = codes.astype(np.float32) * scales[:, None]
    # three fraction bits: half a step is 1/16 of the value; below 2^-6 steps are 2^-9 of the scale
    allowed = np.maximum(np.abs(values) / 16, scales[:, None] * 2.0**-10) * (1 + 1e-4)
    assert (np.abs(back - values) <= allowed).all()


@given(st.floats(0, 1e4, width=32), st.floats(0, 1e4, width=32))
def test_an_activations_larger_end_lies_at_the_largest_code(low, high):
    scale, zero = E4m3Codec().activation(TensorRange(-low, high, -low, high, "minmax", 0.0))
    assert zero == 0
    peak = max(low, high)
    assert scale == np.float32(np.float16(scale))
    if peak == 0:
        assert scale == 1
    else:
        step = max(2.0**-10 * peak, 2.0**-24 * LARGEST)  # of float16, at the scale
        assert peak * (1 - 1e-6) <= float(scale) * LARGEST <= peak + step
