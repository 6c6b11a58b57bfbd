"""What ONNX Runtime makes of an 8-bit graph computes what the graph says, whatever its optimizer does to the biases."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from roundoff.backend.base import Source
from roundoff.backend.onnxrt.backend import OnnxRuntime
from roundoff.precision.fp8 import Fp8
from roundoff.precision.int8 import Int8
from roundoff.precision.int8_fp16 import Int8Fp16
from tests.support.networks import pictures, relative_error, residual_network, run, table_of


def changed(**values) -> onnx.ModelProto:
    """The residual network with other initializers."""
    model = residual_network()
    for tensor in model.graph.initializer:
        if tensor.name in values:
            tensor.CopyFrom(numpy_helper.from_array(values[tensor.name].astype(np.float32), tensor.name))
    return model


def constant(name: str) -> np.ndarray:
    return numpy_helper.to_array(next(t for t in residual_network().graph.initializer if t.name == name)).copy()


def shipped(model, precision, directory) -> np.ndarray:
    backend = OnnxRuntime(threads=1)
    onnx.save(precision.convert(model, backend.grid, table_of(model)), directory / "graph.onnx")
    backend.build(Source("test", precision, directory / "graph.onnx", directory / "none.keras", pictures()), directory)
    with backend.load(directory) as runner:
        return runner.infer(pictures())


@pytest.mark.parametrize("precision", [Int8(), Int8Fp16(), Fp8()], ids=lambda p: type(p).__name__)
def test_large_biases_survive(precision, tmp_path):
    model = changed(bias1=20 * constant("bias1"))
    assert relative_error(shipped(model, precision, tmp_path), run(model, pictures())[0]) < 0.05


@pytest.mark.parametrize("peak", [1e-5, 1e-7, 0.0])
def test_a_channel_of_hardly_any_weight_keeps_its_bias(peak, tmp_path):
    kernel, bias = constant("kernel1"), constant("bias1")
    kernel[3] *= peak / np.abs(kernel[3]).max()
    bias[3] = 7.0
    model = changed(kernel1=kernel, bias1=bias)
    assert relative_error(shipped(model, Int8(), tmp_path), run(model, pictures())[0]) < 0.03


@pytest.mark.parametrize("precision", [Int8Fp16(), Fp8()], ids=lambda p: type(p).__name__)
def test_small_channels_are_as_exact_as_large_ones_where_scales_are_float16(precision, tmp_path):
    kernel = constant("kernel1")
    kernel[3] *= 2e-5 / np.abs(kernel[3]).max()
    graph = precision.convert(model := changed(kernel1=kernel), OnnxRuntime().grid, table_of(model)).graph
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    node = next(n for n in graph.node if n.op_type == "DequantizeLinear" and "kernel1" in n.output[0])
    codes, scales = (found[name].astype(np.float64) for name in node.input[:2])
    error = np.linalg.norm(codes[3] * scales[3] - kernel[3]) / np.linalg.norm(kernel[3])
    assert error < (0.02 if isinstance(precision, Int8Fp16) else 0.04)
