"""HardSwish and Mish in bfloat16 are made of operators that TensorRT takes in that type."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, parser

from roundoff.precision.base import Grid
from roundoff.precision.bf16 import Bf16
from roundoff.precision.fp16 import Fp16
from roundoff.precision.rewriting.spelled_out import spelled_out

VALUES = np.linspace(-9, 9, 200, dtype=np.float32).reshape(1, -1)


def model(operator, opset=22):
    text = f"<ir_version: 10, opset_import: ['': {opset}]> g (float[1,200] x, float[200,200] w) => (float[1,200] y) "
    graph = parser.parse_model(text.replace("'", '"') + f"{{ [first] a = MatMul(x, w) [it] y = {operator}(a) }}")
    graph.graph.initializer.append(onnx.numpy_helper.from_array(np.eye(200, dtype=np.float32), "w"))
    del graph.graph.input[1]
    return graph


def operators(graph):
    return [node.op_type for node in graph.graph.node if node.op_type != "Cast"]


def answers(graph):
    return ort.InferenceSession(graph.SerializeToString()).run(None, {"x": VALUES})[0]


@pytest.mark.parametrize("operator", ["HardSwish", "Mish"])
def test_they_are_what_onnx_defines_them_as(operator):
    spelled = spelled_out(model(operator), TensorProto.FLOAT)
    onnx.checker.check_model(spelled, full_check=True)
    assert operator not in operators(spelled)
    np.testing.assert_allclose(answers(spelled), answers(model(operator)), atol=2e-6)


@pytest.mark.parametrize(
    ("operator", "parts"), [("HardSwish", ["HardSigmoid", "Mul"]), ("Mish", ["Softplus", "Tanh", "Mul"])]
)
def test_bfloat16_has_them_spelled_out(operator, parts):
    lowered = Bf16().convert(model(operator), Grid(), None)
    onnx.checker.check_model(lowered, full_check=True)
    assert operators(lowered) == ["MatMul", *parts]
    assert lowered.graph.node[-2 if lowered.graph.node[-1].op_type == "Cast" else -1].name == "it"


def test_float16_and_what_stays_in_float32_keep_them():
    assert operators(Fp16().convert(model("HardSwish"), Grid(), None)) == ["MatMul", "HardSwish"]
    assert operators(Bf16(keep_float32=("HardSwish",)).convert(model("HardSwish"), Grid(), None)) == [
        "MatMul",
        "HardSwish",
    ]
    assert operators(Bf16(keep_float32=("it",)).convert(model("HardSwish"), Grid(), None)) == ["MatMul", "HardSwish"]
