"""What is compiled is held against ONNX Runtime; here without a GPU, on the CPU."""

from __future__ import annotations

import onnx
import pytest

from roundoff.errors import GateError
from roundoff.precision.base import Grid
from roundoff.precision.bf16 import Bf16
from roundoff.precision.fp16 import Fp16
from roundoff.precision.fp32 import Fp32
from tests.support.networks import residual_network

torch = pytest.importorskip("torch")

from roundoff.backend.torch_compile import compiled as torch_compiled
from roundoff.backend.torch_compile.checking import check, widened
from roundoff.backend.torch_compile.compiled import Compiled, multiplying
from roundoff.backend.torch_compile.operators.table import TABLE

ONE_TYPE = {onnx.TensorProto.FLOAT}


@pytest.fixture
def interpreted(monkeypatch):
    """Nothing is compiled, which takes many seconds."""
    monkeypatch.setattr(torch, "compile", lambda module, **_: module)
    monkeypatch.setattr(torch_compiled, "_PROGRAMS", {})


@pytest.mark.parametrize("precision", [Fp32(), Fp16(), Bf16()])
def test_a_right_network_passes(interpreted, graph, tmp_path, precision):
    path = graph(precision)
    check(path, Compiled(path, "cpu", False, "default"), [1, 8], precision.activations, tmp_path)


def test_a_wrong_translation_is_found(interpreted, graph, tmp_path, monkeypatch):
    monkeypatch.setitem(TABLE, "Relu", TABLE["Sigmoid"])
    path = graph(Fp32())
    with pytest.raises(GateError, match=r"something else than ONNX Runtime \(the translation of the graph\)"):
        check(path, Compiled(path, "cpu", False, "default"), [1], "float32", tmp_path)


def test_wrong_compiled_code_is_found(interpreted, graph, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda module, **_: lambda *inputs: module(*inputs) * 1.01)
    path = graph(Fp32())
    with pytest.raises(GateError, match=r"ONNX Runtime \(batch size 8\)\n  received: relative error 0.01"):
        check(path, Compiled(path, "cpu", False, "default"), [8], "float32", tmp_path)


@pytest.mark.parametrize("precision", [Fp16(), Bf16()])
def test_a_widened_graph_has_one_type_of_float(precision):
    wide = widened(precision.convert(residual_network(), Grid(), None))
    onnx.checker.check_model(wide, full_check=True)
    types = {tensor.data_type for tensor in wide.graph.initializer} - {onnx.TensorProto.INT64}
    assert types == ONE_TYPE


@pytest.mark.parametrize("tf32", [True, False])
def test_tf32_is_allowed_inside_and_as_before_outside(tf32):
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    with multiplying(tf32):
        assert (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32) == (tf32, tf32)
    assert (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32) == before


@pytest.mark.slow
@pytest.mark.parametrize("precision", [Fp32(), Fp16()])
def test_what_torch_compile_makes_of_it_passes(graph, tmp_path, precision):
    path = graph(precision)
    compiled = Compiled(path, "cpu", False, "default")
    check(path, compiled, [4], precision.activations, tmp_path)
    assert compiled.types() == {precision.weights: 3}
