"""Constants that 16 bits cannot hold: what becomes of them, and of the nodes that read them."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from roundoff.precision.base import Grid
from roundoff.precision.bf16 import Bf16
from roundoff.precision.fp16 import Fp16
from roundoff.precision.rewriting.kept import kept_notes
from tests.support.networks import pictures, residual_network, run, types

FLT_MAX = float(np.finfo(np.float32).max)


Step = tuple[str, list[str], dict[str, Any]]


def behind_relu1(*steps: Step, **constants: object) -> onnx.ModelProto:
    """The residual network whose second Conv reads what the steps make of relu1; the last gives `made`."""
    model = residual_network()
    next(n for n in model.graph.node if n.name == "conv2").input[0] = "made"
    for place, (operator, inputs, attributes) in enumerate(steps):
        output = "made" if place == len(steps) - 1 else f"step{place}"
        made = helper.make_node(operator, inputs, [output], f"{operator}{place}", **attributes)
        model.graph.node.insert(6 + place, made)
    for name, value in constants.items():
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return model


def stored(model: onnx.ModelProto, name: str) -> np.ndarray:
    return next(numpy_helper.to_array(i) for i in model.graph.initializer if i.name == name)


def normalized(epsilon: float) -> onnx.ModelProto:
    squares: Step = ("Mul", ["relu1", "relu1"], {})
    mean = ("ReduceMean", ["step0", "channel"], {"keepdims": 1})
    root: list[Step] = [("Add", ["step1", "epsilon"], {}), ("Sqrt", ["step2"], {}), ("Div", ["relu1", "step3"], {})]
    return behind_relu1(squares, mean, *root, epsilon=np.float32(epsilon), channel=np.array([1]))


@pytest.mark.parametrize("epsilon", [1e-12, 1e-8])
def test_an_epsilon_never_becomes_0(epsilon):
    model = normalized(epsilon)
    bias = next(i for i in model.graph.initializer if i.name == "bias1")
    bias.CopyFrom(numpy_helper.from_array(np.full(16, -9, np.float32), "bias1"))  # all of relu1 is 0
    converted = Fp16().convert(model, Grid(), None)
    assert stored(converted, "epsilon_float16") == np.float16(2.0**-24)
    assert np.isfinite(run(converted, pictures())[0]).all()


def test_a_negative_constant_keeps_its_sign():
    converted = Fp16().convert(behind_relu1(("Add", ["relu1", "tiny"], {}), tiny=np.float32(-1e-9)), Grid(), None)
    assert stored(converted, "tiny_float16") == np.float16(-(2.0**-24))


@pytest.mark.parametrize(("operator", "factor"), [("Mul", 1e-6), ("Div", 1e-6), ("Mul", 1e-12), ("Mul", 1e6)])
def test_a_factor_that_has_too_few_digits_or_too_many_stays_in_float32(operator, factor):
    model = behind_relu1((operator, ["relu1", "tiny"], {}), tiny=np.float32(factor))
    converted = Fp16().convert(model, Grid(), None)
    assert types(converted)["tiny"] == TensorProto.FLOAT
    (note,) = kept_notes(converted)
    assert note.values["names"] == [f"{operator}0 (tiny)"]
    assert kept_notes(Bf16().convert(model, Grid(), None)) == []


@pytest.mark.parametrize(
    "step",
    [
        ("Clip", ["relu1", "zero", "most"], {}),
        ("Min", ["relu1", "most"], {}),
    ],
    ids=["Clip", "Min"],
)
@pytest.mark.parametrize(("precision", "dtype"), [(Fp16(), np.float16), (Bf16(), ml_dtypes.bfloat16)])
def test_bounds_saturate(step, precision, dtype):
    model = behind_relu1(step, zero=np.float32(0), most=np.float32(FLT_MAX))
    converted = precision.convert(model, Grid(), None)
    assert kept_notes(converted) == []
    assert stored(converted, f"most_{np.dtype(dtype).name}") == ml_dtypes.finfo(dtype).max


def masked(lowest: float, behind: str = "Softmax") -> onnx.ModelProto:
    mask = np.where(np.arange(8) < 4, np.float32(0), np.float32(lowest))
    return behind_relu1(("Add", ["relu1", "mask"], {}), (behind, ["step0"], {}), mask=mask)


@pytest.mark.parametrize("lowest", [-1e9, -FLT_MAX, -np.inf])
def test_a_mask_saturates_and_leaves_the_answers_as_they_are(lowest):
    model = masked(lowest)
    converted = Fp16().convert(model, Grid(), None)
    assert kept_notes(converted) == []
    assert types(converted)["made"] == TensorProto.FLOAT16
    np.testing.assert_allclose(run(converted, pictures())[0], run(model, pictures())[0], atol=5e-3, rtol=2e-3)


def test_what_only_looks_like_a_mask_stays_in_float32():
    for model in (masked(-1e9, "Abs"), masked(1e9)):
        (note,) = kept_notes(Fp16().convert(model, Grid(), None))
        assert note.values["names"] == ["Add0 (mask)"]


def test_float_max_is_a_weight_of_bfloat16():
    model = residual_network()
    kernel = next(i for i in model.graph.initializer if i.name == "kernel1")
    values = numpy_helper.to_array(kernel).copy()
    values.flat[0] = -FLT_MAX
    kernel.CopyFrom(numpy_helper.from_array(values, "kernel1"))
    converted = Bf16().convert(model, Grid(), None)
    assert np.isfinite(stored(converted, "kernel1_bfloat16").astype(np.float32)).all()
