import onnx
import pytest

from benchmarks.sensitivity.planted import images_of, network, row


def test_a_network_is_valid_and_its_seeds_own():
    onnx.checker.check_model(network(3))
    assert network(3) == network(3)
    assert network(3) != network(4)
    assert images_of(0, 4).shape == (4, 12, 12, 3)


@pytest.mark.slow  # half a minute
def test_a_planted_tensor_comes_first():
    found = row(0)
    assert found["first"] == found["planted"]
    assert found["times_the_next"] == pytest.approx(3.0, rel=0.1)
