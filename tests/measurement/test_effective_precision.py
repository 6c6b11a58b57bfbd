"""What a cell computes in, told by its error."""

import numpy as np
import pytest

from roundoff.errors import GateError
from roundoff.measurement.effective_precision import label, rounded_to_tf32, strict_fp32, tf32_error
from tests.support import onnx_files


def _not_asked() -> None:
    raise AssertionError("an error that says enough asks nothing")


@pytest.mark.parametrize(
    ("precision", "error", "expected"),
    [
        ("fp32", 1e-6, "fp32"),
        ("fp32", 1.1e-3, "tf32"),
        ("tf32", 1e-3, "tf32"),
        ("tf32", 1e-7, "fp32"),
        ("fp16", 5e-4, "fp16"),
        ("bf16", 1e-2, "bf16"),
        ("int8", 0.08, "int8"),
        ("int8", 1e-7, "fp32"),
        ("fp16", None, "fp16"),
    ],
)
def test_a_row_is_called_by_its_measured_error(precision, error, expected):
    assert label(precision, error, "cell", precision in ("fp32", "tf32"), _not_asked) == expected


def test_an_fp32_row_that_is_another_network_is_refused():
    with pytest.raises(GateError, match="fp32/x is neither FP32 nor TF32"):
        label("fp32", 0.2, "fp32/x", True, lambda: 0.04)
    with pytest.raises(GateError, match="at most 5e-03 for TF32"):
        label("fp32", 0.2, "fp32/x", True, lambda: None)


def test_a_network_that_enlarges_rounding_computes_in_tf32_all_the_same():
    assert label("fp32", 0.0078, "fp32/x", True, lambda: 0.005) == "tf32"


def test_float32_arithmetic_over_other_weights_is_no_wrong_fp32():
    assert label("coarse", 0.2, "coarse/x", False, _not_asked) == "coarse"


def test_tf32_keeps_ten_bits_of_mantissa():
    values = np.array([1, 1 + 2**-10, 1 + 2**-11, 1 + 3 * 2**-11, -(1 + 2**-12), 3e38, np.inf], np.float32)
    expected = np.array([1, 1 + 2**-10, 1, 1 + 2 * 2**-10, -1, 3e38, np.inf], np.float32)
    np.testing.assert_allclose(rounded_to_tf32(values), expected, rtol=2**-11)
    np.testing.assert_array_equal(rounded_to_tf32(values)[:5], expected[:5])
    some = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    assert 0 < np.abs(rounded_to_tf32(some) / some - 1).max() <= 2**-11
    assert not (rounded_to_tf32(some).view(np.uint32) & 0x1FFF).any()


def test_what_rounding_costs_a_network_is_its_own(tmp_path):
    graph, images = tmp_path / "model.onnx", onnx_files.PIXELS
    graph.write_bytes(onnx_files.graph(kind="uint8", planes=False).SerializeToString())
    exact = strict_fp32(graph, images)
    assert 1e-5 < tf32_error(graph, images, exact) < 2e-3
