"""Same answers, activations that float16 cannot hold."""

import numpy as np
import onnx
import pytest

from benchmarks.gpu.enlarge import FACTOR, enlarged, main
from tests.support.networks import pictures, residual_network, run


def plain_network():
    """The residual network, whose second Conv alone reads the first."""
    model = residual_network()
    next(node for node in model.graph.node if node.name == "skip").input[1] = "conv2"
    return model


def test_answers_are_those_of_before():
    model, images = plain_network(), pictures()
    assert np.allclose(run(enlarged(model), images)[0], run(model, images)[0], rtol=1e-5, atol=1e-5)


def test_what_stands_between_two_convs_is_larger():
    probes = [plain_network(), enlarged(plain_network())]
    for each in probes:
        each.graph.output.append(onnx.helper.make_tensor_value_info("relu1", onnx.TensorProto.FLOAT, None))
    small, large = (run(each, pictures())[1] for each in probes)
    assert np.allclose(large, small * FACTOR)


def test_a_network_without_two_such_convs_is_refused():
    with pytest.raises(ValueError, match="no Conv is read by another alone"):
        enlarged(residual_network())


def test_it_writes_a_graph(tmp_path):
    onnx.save(plain_network(), tmp_path / "plain.onnx")
    assert main([str(tmp_path / "plain.onnx"), str(tmp_path / "large.onnx")]) == 0
    assert onnx.load(tmp_path / "large.onnx").graph != plain_network().graph
