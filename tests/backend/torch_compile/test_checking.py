"""What is compiled is held against ONNX Runtime; here without a GPU, on the CPU."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import onnx
import onnxruntime as ort
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

SHAPE = (8, 8, 3)
ONE_TYPE = {onnx.TensorProto.FLOAT}


def calibration_images(count=3):
    return np.random.default_rng(1).integers(0, 256, (count, *SHAPE), dtype=np.uint8)


@pytest.fixture
def interpreted(monkeypatch):
    """Nothing is compiled, which takes many seconds."""
    monkeypatch.setattr(torch, "compile", lambda module, **_: module)
    monkeypatch.setattr(torch_compiled, "_PROGRAMS", {})


@pytest.mark.parametrize("precision", [Fp32(), Fp16(), Bf16()])
def test_a_right_network_passes(interpreted, graph, tmp_path, precision):
    path = graph(precision)
    check(path, Compiled(path, "cpu", False, "default"), calibration_images(), [1, 8], precision.activations, tmp_path)


def test_the_datasets_own_images_are_what_it_is_held_against(interpreted, graph, tmp_path, monkeypatch):
    path, seen, own = graph(Fp32()), [], Compiled.logits

    def watched(compiled, images):
        seen.append(images.tolist())
        return own(compiled, images)

    monkeypatch.setattr(Compiled, "logits", watched)
    check(path, Compiled(path, "cpu", False, "default"), calibration_images(3), [1, 8], "float32", tmp_path)
    expected = calibration_images(3)[[0, 1, 2, 0, 1, 2, 0, 1]]
    assert seen == [expected[:1].tolist(), expected.tolist()]


def test_a_wrong_translation_is_found(interpreted, graph, tmp_path, monkeypatch):
    monkeypatch.setitem(TABLE, "Relu", TABLE["Sigmoid"])
    path = graph(Fp32())
    with pytest.raises(GateError, match=r"something else than ONNX Runtime \(the translation of the graph\)"):
        check(path, Compiled(path, "cpu", False, "default"), calibration_images(), [1], "float32", tmp_path)


def with_head(model, head):
    """The network with another last product."""
    dense = next(each for each in model.graph.initializer if each.name == "dense")
    dense.CopyFrom(onnx.numpy_helper.from_array(head.astype(np.float32), "dense"))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "C"
    return model


def enlarging(model, images):
    """The network with a head that all but cancels what it is fed: what is left of its answers is mostly rounding."""
    session = ort.InferenceSession(with_head(model, np.eye(16)).SerializeToString())
    features = session.run(None, {session.get_inputs()[0].name: images})[0].mean(axis=0, dtype=np.float64)
    head = np.random.default_rng(2).normal(size=(16, 10))
    return with_head(model, head - np.outer(features, features @ head) / (features @ features))


@pytest.mark.parametrize(
    ("error", "kind", "fits"), [(0.06, "float16", True), (1.2, "float16", False), (0.06, "float32", False)]
)
def test_what_rounding_costs_a_network_is_allowed_to_it(interpreted, graph, tmp_path, monkeypatch, error, kind, fits):
    path, images, right = graph(Fp32()), calibration_images(2), Compiled.logits
    onnx.save(enlarging(onnx.load(path), images), path)
    compiled = Compiled(path, "cpu", False, "default")
    monkeypatch.setattr(Compiled, "logits", lambda self, images: right(self, images) * (1 + error))
    with nullcontext() if fits else pytest.raises(GateError, match="batch size 2"):
        check(path, compiled, images, [2], kind, tmp_path)


def test_wrong_compiled_code_is_found(interpreted, graph, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda module, **_: lambda *inputs: module(*inputs) * 1.01)
    path = graph(Fp32())
    with pytest.raises(GateError, match=r"ONNX Runtime \(batch size 8\)\n  received: relative error 0.01"):
        check(path, Compiled(path, "cpu", False, "default"), calibration_images(), [8], "float32", tmp_path)


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
    check(path, compiled, calibration_images(), [4], precision.activations, tmp_path)
    assert compiled.types() == {precision.weights: 3}
