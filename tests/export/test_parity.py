"""What a graph may differ by: the tolerance, or what float32's own rounding costs the network."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from roundoff.errors import GateError
from roundoff.export.parity import parity
from roundoff.export.rounding import rounding_error

EXPECTED = np.array([[1.0, 0.5], [0.25, 1.0]], np.float32)
RECEIVED = EXPECTED * np.float32(1.0002)


def never():
    raise AssertionError("nobody asks what rounding costs where the tolerance holds")


def test_within_the_tolerance_nothing_is_asked():
    assert parity(RECEIVED, EXPECTED, 1e-3, never).relative_error == pytest.approx(2e-4, rel=1e-3)


def test_a_network_that_enlarges_rounding_may_differ_by_as_much(caplog):
    found = parity(RECEIVED, EXPECTED, 1e-4, lambda: 6e-5)
    assert found.relative_error == pytest.approx(2e-4, rel=1e-3)
    assert "explains up to 2.4e-04" in caplog.text


def test_another_network_is_refused():
    with pytest.raises(GateError, match="up to 1e-04") as refused:
        parity(RECEIVED, EXPECTED, 1e-4, lambda: 4e-7, lambda error: "dense")
    assert "they part at the layer dense" in str(refused.value)


def test_no_rounding_explains_a_hundredth():
    with pytest.raises(GateError, match="up to 1e-02"):
        parity(EXPECTED * np.float32(1.05), EXPECTED, 1e-4, lambda: 1.0)


@pytest.mark.parametrize("rounding", [float("nan"), 0.0, 4e-5])
def test_another_class_is_refused_whatever_rounding_costs(rounding):
    with pytest.raises(GateError, match="1 different classes"):
        parity(EXPECTED[:, ::-1][:1], EXPECTED[:1], 1e-4, lambda: rounding)


def network(depth):
    """A chain that multiplies what it is given, and takes most of it away again: what is left is rounding."""
    nodes, weights = [helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT)], []
    nodes.append(helper.make_node("Flatten", ["float"], ["x0"]))
    random = np.random.default_rng(0)
    for step in range(depth):
        weight = random.normal(size=(12, 12)).astype(np.float32) / np.float32(3.5)
        weights.append(numpy_helper.from_array(weight, f"w{step}"))
        nodes.append(helper.make_node("MatMul", [f"x{step}", f"w{step}"], [f"y{step}"]))
        nodes.append(helper.make_node("Sin", [f"y{step}"], [f"x{step + 1}"]))
    nodes.append(helper.make_node("Identity", [f"x{depth}"], ["logits"]))
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 2, 2, 3])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 12])
    graph = helper.make_graph(nodes, "model", [image], [logits], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def test_what_rounding_costs_is_measured(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (8, 2, 2, 3), np.uint8)
    onnx.save(network(1), tmp_path / "one.onnx")
    once = rounding_error(tmp_path / "one.onnx", images)
    assert 1e-8 < once < 1e-4  # sines of numbers up to some hundreds
    assert rounding_error(tmp_path / "one.onnx", images) == once
