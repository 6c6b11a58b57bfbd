"""What a cell computes in, told by its error."""

from types import SimpleNamespace
from typing import Any

import pytest

from roundoff.errors import GateError
from roundoff.measurement.effective_precision import Rounding, label, strict_fp32
from tests.support import onnx_files


def costing(float32: float | None = None, tf32: float | None = None) -> Any:
    """What rounding costs a network; None: not to be asked."""

    def told(cost: float | None) -> float:
        assert cost is not None, "an error that says enough asks nothing"
        return cost

    return SimpleNamespace(float32=lambda: told(float32), tf32=lambda: told(tf32))


@pytest.mark.parametrize(
    ("precision", "error", "expected"),
    [
        ("fp32", 1e-6, "fp32"),
        ("tf32", 1e-7, "fp32"),
        ("fp16", 5e-4, "fp16"),
        ("bf16", 1e-2, "bf16"),
        ("int8", 0.08, "int8"),
        ("int8", 1e-7, "fp32"),
        ("fp16", None, "fp16"),
    ],
)
def test_a_row_is_called_by_its_measured_error(precision, error, expected):
    assert label(precision, error, "cell", precision in ("fp32", "tf32"), costing()) == expected


@pytest.mark.parametrize(("precision", "error"), [("fp32", 1.1e-3), ("tf32", 1e-3), ("fp32", 3.1e-5)])
@pytest.mark.parametrize("rounding", [costing(float32=5e-7), None])
def test_an_error_of_ten_bits_is_tf32(precision, error, rounding):
    assert label(precision, error, "cell", True, rounding) == "tf32"


def test_an_fp32_row_that_is_another_network_is_refused():
    with pytest.raises(GateError, match="fp32/x is neither FP32 nor TF32"):
        label("fp32", 0.2, "fp32/x", True, costing(1e-6, 0.04))
    with pytest.raises(GateError, match="at most 5e-03 for TF32"):
        label("fp32", 0.2, "fp32/x", True, None)


def test_a_network_that_enlarges_rounding_computes_in_tf32_all_the_same():
    assert label("fp32", 0.0078, "fp32/x", True, costing(2e-6, 0.005)) == "tf32"


def test_a_network_that_enlarges_rounding_computes_in_fp32_all_the_same():
    assert label("fp32", 1.9e-4, "fp32/x", True, costing(2.3e-4)) == "fp32"
    assert label("fp32", 9.3e-4, "fp32/x", True, costing(2.3e-4)) == "tf32"


def test_one_that_makes_noise_of_rounding_shows_no_fp32():
    with pytest.raises(GateError, match="neither FP32 nor TF32"):
        label("fp32", 0.9, "fp32/x", True, costing(0.3, 0.2))


def test_float32_arithmetic_over_other_weights_is_no_wrong_fp32():
    assert label("coarse", 0.2, "coarse/x", False, costing()) == "coarse"


def test_what_rounding_costs_a_network_is_its_own(tmp_path):
    graph, images = tmp_path / "model.onnx", onnx_files.PIXELS
    graph.write_bytes(onnx_files.graph(kind="uint8", planes=False).SerializeToString())
    rounding = Rounding(graph, images, strict_fp32(graph, images))
    assert 1e-5 < rounding.tf32() < 2e-3
    assert 1e-9 < rounding.float32() < 1e-6
