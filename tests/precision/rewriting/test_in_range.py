"""Tensors that overflow float16 on calibration images are found, and kept in float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from roundoff.errors import BuildError
from roundoff.precision.base import Grid, Precision
from roundoff.precision.bf16 import Bf16
from roundoff.precision.fp8 import Fp8
from roundoff.precision.fp16 import Fp16
from roundoff.precision.int8_fp16 import Int8Fp16
from roundoff.precision.rewriting.in_range import activation_peaks, convert_in_range
from roundoff.precision.rewriting.kept import kept_notes
from tests.support.networks import pictures, relative_error, residual_network, run, table_of, types


def squaring_network(scale: float = 300.0) -> onnx.ModelProto:
    """The residual network with a normalization by the mean square of 300 times relu1, as in a LayerNorm."""
    model = residual_network()
    next(n for n in model.graph.node if n.name == "conv2").input[0] = "normal"
    steps = [
        helper.make_node("Mul", ["relu1", "scale"], ["large"], "enlarge"),
        helper.make_node("Mul", ["large", "large"], ["squares"], "square"),
        helper.make_node("ReduceMean", ["squares", "channel"], ["power"], "average"),
        helper.make_node("Sqrt", ["power"], ["root"], "root"),
        helper.make_node("Add", ["root", "one"], ["divisor"], "shift"),
        helper.make_node("Div", ["large", "divisor"], ["normal"], "normalize"),
    ]
    constants = {"scale": np.float32(scale), "channel": np.array([1]), "one": np.float32(1)}
    for place, step in enumerate(steps):
        model.graph.node.insert(6 + place, step)
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items())
    return model


def test_peaks_are_those_of_every_float_activation():
    model, images = residual_network(), pictures(40)
    peaks = activation_peaks(model, images)
    assert peaks["logits"] == pytest.approx(np.abs(run(model, images)[0]).max(), rel=1e-5)
    assert peaks["centred"] == pytest.approx(1, rel=1e-2)
    assert {"conv1", "relu1", "sum", "features"} < peaks.keys()


@pytest.mark.parametrize("precision", [Fp16(), Int8Fp16(), Fp8()], ids=["fp16", "int8_fp16", "fp8"])
def test_squares_that_overflow_stay_in_float32_and_are_listed(precision):
    model, images = squaring_network(), pictures()
    table = table_of(model) if precision.needs_calibration else None
    converted = convert_in_range(precision, model, Grid(), table, images)
    found = types(converted)
    assert (found["squares"], found["normal"]) == (TensorProto.FLOAT, TensorProto.FLOAT16)
    (note,) = kept_notes(converted)
    assert note.code == "kept_for_overflows"
    assert "squares (" in str(note)
    assert note.values["count"] == 2  # the squares and their mean
    if precision == Fp16():
        assert relative_error(run(converted, images)[0], run(model, images)[0]) < 3e-3


def test_a_wide_neighbour_of_what_overflows_is_kept_with_it():
    model, images = residual_network(scale=1e6), pictures()
    converted = convert_in_range(Fp16(), model, Grid(), None, images)
    assert np.isfinite(run(converted, images)[0]).all()
    assert relative_error(run(converted, images)[0], run(model, images)[0]) < 3e-3


@pytest.mark.parametrize("precision", [Fp16(), Bf16()], ids=["fp16", "bf16"])
def test_what_fits_is_converted_as_ever(precision):
    model = residual_network()
    assert convert_in_range(precision, model, Grid(), None, pictures()) == precision.convert(model, Grid(), None)


def test_a_precision_without_the_setting_is_refused_with_the_tensor():
    @dataclass(frozen=True)
    class Bare(Precision):
        weights: ClassVar[str] = "float16"
        activations: ClassVar[str] = "float16"

        def convert(self, model, grid, table):
            return Fp16().convert(model, grid, table)

    with pytest.raises(BuildError, match=r"tensors do not fit float16[^$]*squares reaches"):
        convert_in_range(Bare(), squaring_network(), Grid(), None, pictures())
