"""Sessions that look at 8-bit graphs compute what those say, on CPUs whose 8-bit products saturate, too."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from roundoff.calibration.observing.judging import Judge
from roundoff.graph import sessions
from roundoff.graph.sessions import session_options
from roundoff.sensitivity.answers import Reference

CODES, SIDE = 255, 8


def of_large_codes(pairs: bool) -> onnx.ModelProto:
    """White images [N, 8, 8, 3] → a product whose codes are the largest that there are → logits [N, 2]."""
    weights = np.ones((SIDE * SIDE * 3, 2), np.float32)
    weights[:, 1] = 0.5
    scale, zero = np.float32(1), np.uint8(0)
    wide = [
        helper.make_node("Cast", ["image"], ["pixels"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["pixels"], ["flat"], "flat"),
    ]
    held = {"weights": weights, "scale": scale, "zero": zero, "step": np.float32(1 / 127), "middle": np.int8(0)}
    coded = [
        helper.make_node("QuantizeLinear", ["flat", "scale", "zero"], ["codes"], "codes"),
        helper.make_node("DequantizeLinear", ["codes", "scale", "zero"], ["values"], "values"),
        helper.make_node("QuantizeLinear", ["weights", "step", "middle"], ["narrow"], "narrow"),
        helper.make_node("DequantizeLinear", ["narrow", "step", "middle"], ["kernel"], "kernel"),
        helper.make_node("MatMul", ["values", "kernel"], ["logits"], "product"),
    ]
    graph = helper.make_graph(
        [*wide, *coded] if pairs else [*wide, helper.make_node("MatMul", ["flat", "weights"], ["logits"], "product")],
        "large",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 2])],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in held.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def test_what_judges_calibrations_and_mixes_does_not_saturate():
    images = np.full((4, SIDE, SIDE, 3), CODES, np.uint8)
    judge = Judge(of_large_codes(pairs=False), images, np.arange(4))
    assert judge.error(of_large_codes(pairs=True)) < 0.01
    found = Reference(of_large_codes(pairs=False), images).differences(of_large_codes(pairs=True))
    assert float(found.errors[0]) < 0.01


@pytest.mark.parametrize("saturates", [True, False])
def test_only_cpus_that_saturate_pay_for_exact_products(monkeypatch, saturates):
    monkeypatch.setattr(sessions, "integer_products_saturate", lambda: saturates)
    options = session_options()
    if saturates:
        assert options.get_session_config_entry("session.x64quantprecision") == "1"
    else:
        with pytest.raises(RuntimeError, match="x64quantprecision"):
            options.get_session_config_entry("session.x64quantprecision")
