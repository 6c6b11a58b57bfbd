"""ONNX graphs as PyTorch functions: the same answers as ONNX Runtime's, and what is refused."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from roundoff.errors import Unavailable
from roundoff.graph.difference import relative_error
from roundoff.precision.base import Grid
from roundoff.precision.bf16 import Bf16
from roundoff.precision.fp16 import Fp16
from roundoff.precision.fp32 import Fp32
from roundoff.precision.int8 import Int8
from tests.support.networks import pictures, residual_network, table_of
from tests.support.torch_operators import TEXTS, graph_of, images

torch = pytest.importorskip("torch")

from roundoff.backend.torch_compile.network import kernels_of, multiplied_types, network_from_onnx, tensor_from_numpy
from roundoff.backend.torch_compile.operators.table import TABLE
from roundoff.graph.fixed import fixed_graph


def answers(model, images):
    """By PyTorch and by ONNX Runtime."""
    network, stored = network_from_onnx(model, len(images)), {i.name: i for i in model.graph.initializer}
    values = [
        network.computed[name] if name in network.computed else numpy_helper.to_array(stored[name])
        for name in network.weights
    ]
    kernels = kernels_of(model)
    given = [tensor_from_numpy(v, "cpu", n in kernels) for n, v in zip(network.weights, values, strict=True)]
    with torch.no_grad():
        found = network.module(torch.from_numpy(images), *given)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return found.numpy(), session.run(None, {model.graph.input[0].name: images})[0]


@pytest.mark.parametrize("name", list(TEXTS))
def test_each_operator_answers_as_onnx_runtime(name):
    found, expected = answers(graph_of(TEXTS[name]), images())
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    assert relative_error(found, expected) < 2e-6


def test_every_operator_is_tried():
    tried = {node.op_type for text in TEXTS.values() for node in graph_of(text).graph.node}
    assert set(TABLE) - tried == {"Softmax@12", "Swish"}  # below; and one of operator set 24


def test_softmax_of_old_operator_sets_spans_axes():
    found, expected = answers(graph_of("y = Softmax(x)", opset=11), images())
    assert relative_error(found, expected) < 1e-6


@pytest.mark.parametrize("batch", [1, 5])
def test_a_residual_network_answers_as_onnx_runtime(batch):
    found, expected = answers(residual_network(), pictures(batch))
    assert relative_error(found, expected) < 1e-6


@pytest.mark.parametrize(("precision", "kind"), [(Fp32(), "float32"), (Fp16(), "float16"), (Bf16(), "bfloat16")])
def test_products_are_of_the_precisions_type(precision, kind):
    model = precision.convert(residual_network(), Grid(), None)
    network = network_from_onnx(model, 2)
    stored = {i.name: tensor_from_numpy(numpy_helper.to_array(i), "cpu") for i in model.graph.initializer}
    given = [torch.from_numpy(pictures(2)), *(stored[name] for name in network.weights)]
    assert multiplied_types(network.module, given) == {kind: 3}


def test_bfloat16_arrives_bit_by_bit():
    values = np.array([[1.5, -2.0], [3e38, 1e-30]], ml_dtypes.bfloat16)
    tensor = tensor_from_numpy(values, "cpu")
    assert tensor.dtype == torch.bfloat16
    np.testing.assert_array_equal(tensor.float().numpy(), values.astype(np.float32))


def test_what_reads_shapes_is_computed_beforehand():
    fixed, constants = fixed_graph(graph_of(TEXTS["a shape of its own"]), 7)
    assert [node.op_type for node in fixed.graph.node][4:] == ["Reshape", "Cast", "Flatten"]
    assert constants["t"].tolist() == [7, -1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("y = Multinomial(x)", r"no version of Multinomial \(Multinomial_4\) here: no PyTorch version"),
        ('y = Resize<mode="cubic">(x, "", larger)', r"Resize \(Resize_4\) here: mode cubic with half_pixel"),
        ("y = AveragePool<kernel_shape=[2,2], dilations=[2,2]>(x)", "AveragePool_4.*'dilations'"),
        ("y, places = MaxPool<kernel_shape=[2,2]>(x)", "MaxPool_4.*more than one output"),
        ("a = NonZero(x) y = Gather(x, a)", "NonZero_4"),
        ("a = Cast<to=7>(x) y = Reshape(x, a)", r"Reshape \(Reshape_5\) here: a depends on the image"),
    ],
)
def test_what_has_no_version_is_named_with_its_node(text, words):
    with pytest.raises(Unavailable, match=words):
        network_from_onnx(graph_of(text), 2)


def test_a_quantized_graph_is_refused_by_its_first_quantized_node():
    model = residual_network()
    quantized = Int8().convert(model, Grid(), table_of(model))
    with pytest.raises(Unavailable, match=r"PyTorch has no version of (Dequantize|Quantize)Linear \("):
        network_from_onnx(quantized, 1)


def test_another_domains_operator_is_not_taken_for_onnxs():
    model = graph_of("y = Relu(x)")
    model.graph.node[4].domain = "com.example"
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    with pytest.raises(Unavailable, match=r"com.example.Relu \(Relu_4\)"):
        network_from_onnx(model, 1)


def test_the_graph_given_is_left_as_it_is():
    model = residual_network()
    before = model.SerializeToString()
    network_from_onnx(model, 3)
    assert model.SerializeToString() == before
    onnx.checker.check_model(model)
