"""ONNX Runtime's CPU backend on a small convolutional network."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from roundoff.backend.base import Source
from roundoff.backend.cpu import CHUNK
from roundoff.backend.onnxrt.backend import OnnxRuntime
from roundoff.backend.onnxrt.layers import layer_types, note
from roundoff.errors import BuildError, ConfigError, Unavailable
from roundoff.graph import sessions
from roundoff.precision.base import Precision
from roundoff.precision.bf16 import Bf16
from roundoff.precision.fp16 import Fp16
from roundoff.precision.fp32 import Fp32
from roundoff.precision.tf32 import Tf32
from roundoff.results.cell import BindingInfo

CLASSES, SIZE = 5, 8


@dataclass(frozen=True)
class Int8(Precision):
    weights: ClassVar[str] = "int8"
    activations: ClassVar[str] = "int8"

    def convert(self, model, grid, table):
        return quantized(model, grid)


def network(seed=0):
    """uint8 [N, 8, 8, 3] → scale → Conv → Relu → mean → MatMul → logits."""
    random = np.random.default_rng(seed)
    constants = {
        "scale": np.float32(1 / 255),
        "kernel": random.normal(size=(8, 3, 3, 3)).astype(np.float32),
        "dense": random.normal(size=(8, CLASSES)).astype(np.float32),
        "axes": np.array([2, 3]),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["channels"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["channels", "kernel"], ["conv"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("ReduceMean", ["relu", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "dense"], ["logits"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIZE, SIZE, 3])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", CLASSES])
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "network", [image], [logits], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def quantized(model, grid):
    """The network with its convolution between pairs: input range 0..1, output 0..8, weights per tensor."""
    quantized = onnx.ModelProto()
    quantized.CopyFrom(model)
    graph = quantized.graph
    kernel = numpy_helper.to_array(next(i for i in graph.initializer if i.name == "kernel"))
    step = np.abs(kernel).max() / 127
    zero = np.uint8(0) if grid.activation == "uint8" else np.int8(-128)
    add = {
        "k/s": np.float32(step),
        "k/q": np.rint(kernel / step).astype(np.int8),
        "k/z": np.int8(0),
        "x/s": np.float32(1 / 255),
        "y/s": np.float32(8 / 255),
        "z": zero,
    }
    graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in add.items())
    nodes = list(graph.node)
    nodes[3].input[:] = ["x/d", "k/d"]
    nodes[5].input[0] = "y/d"
    pairs = [
        helper.make_node("QuantizeLinear", ["channels", "x/s", "z"], ["x/q"]),
        helper.make_node("DequantizeLinear", ["x/q", "x/s", "z"], ["x/d"]),
        helper.make_node("DequantizeLinear", ["k/q", "k/s", "k/z"], ["k/d"]),
    ]
    after = [
        helper.make_node("QuantizeLinear", ["relu", "y/s", "z"], ["y/q"]),
        helper.make_node("DequantizeLinear", ["y/q", "y/s", "z"], ["y/d"]),
    ]
    del graph.node[:]
    graph.node.extend([*nodes[:3], *pairs, *nodes[3:5], *after, *nodes[5:]])
    return quantized


def expected(images, seed=0):
    """The network in float64 NumPy."""
    weights = {i.name: numpy_helper.to_array(i).astype(np.float64) for i in network(seed).graph.initializer}
    padded = np.pad(images / 255.0, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    conv = np.einsum("nhwcij,ocij->nhwo", windows, weights["kernel"])
    return np.maximum(conv, 0).mean((1, 2)) @ weights["dense"]


def pictures(count, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


def built(tmp_path, precision, backend=None):
    backend = backend or OnnxRuntime(threads=1)
    graph = tmp_path / "graph.onnx"
    onnx.save(precision.convert(network(), backend.grid, None), graph)
    source = Source(type(precision).__name__, precision, graph, tmp_path / "model.keras", pictures(4))
    return backend, backend.build(source, tmp_path)


@pytest.fixture
def runner(tmp_path):
    backend, _ = built(tmp_path, Fp32())
    with backend.load(tmp_path) as loaded:
        yield loaded


def relative_error(received, reference):
    return np.abs(received - reference).max() / np.abs(reference).max()


def test_fp32_agrees_with_numpy(runner):
    images = pictures(7)
    assert relative_error(runner.infer(images), expected(images)) < 1e-5


@pytest.mark.parametrize("count", [0, 1, CHUNK, CHUNK + 3])
def test_any_number_of_images_is_inferred_in_order(runner, count):
    images = pictures(count)
    logits = runner.infer(images)
    assert logits.shape == (count, CLASSES)
    assert logits.dtype == np.float32
    if count:
        np.testing.assert_allclose(logits[-1:], runner.infer(images[-1:]), rtol=1e-5, atol=1e-6)


def test_images_that_are_not_contiguous_are_inferred(runner):
    images = pictures(6)
    np.testing.assert_array_equal(runner.infer(images[::2]), runner.infer(images[::2].copy()))


def test_fp16_says_that_it_computes_in_float32_where_weights_are_cast(tmp_path):
    backend, info = built(tmp_path, Fp16())
    images = pictures(5)
    with backend.load(tmp_path) as loaded:
        error = relative_error(loaded.infer(images), expected(images))
    assert 1e-6 < error < 5e-3
    assert sum(info.layer_types.values()) == 2
    assert (not info.notes) == (info.layer_types == {"float16": 2})


def test_int8_runs_in_integers_and_names_the_layers_that_do_not(tmp_path):
    backend, info = built(tmp_path, Int8())
    images = pictures(5)
    with backend.load(tmp_path) as loaded:
        assert 1e-4 < relative_error(loaded.infer(images), expected(images)) < 5e-2
    assert info.layer_types["float32"] == 1
    assert "1 of 2 convolutions and matrix products multiply in 8 bits (1 in float32); 1 conv" in str(info.notes[0])
    assert info.conversions == 1
    assert {n.op_type for n in onnx.load(tmp_path / "model.onnx").graph.node} >= {"QLinearConv", "MatMul"}


def test_the_loaded_engine_tells_the_instructions_of_its_cpu(runner, monkeypatch, tmp_path):
    told = tmp_path / "cpuinfo"
    told.write_text("model name\t: One\nflags\t\t: fpu avx2 avx_vnni amx_int8 avx512_vnni avx2x\nflags\t\t: fpu\n")
    monkeypatch.setattr("roundoff.system.machine.CPUINFO", told)
    assert runner.layer_types().cpu_instructions == ["avx2", "avx_vnni", "avx512_vnni", "amx_int8"]
    told.write_text("Features\t: fp asimd asimddp i8mm\n")
    assert runner.layer_types().cpu_instructions == ["asimd", "asimddp", "i8mm"]
    monkeypatch.setattr("roundoff.system.machine.CPUINFO", tmp_path / "none")
    assert runner.layer_types().cpu_instructions is None


def test_note_takes_shifted_weights_for_int8():
    assert note(Int8(), {"uint8": 2, "int8": 1}) is None


def test_layer_types_of_two_activations_are_unknown():
    graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "product", [], [])
    assert layer_types(helper.make_model(graph)) == {"unknown": 1}


@pytest.mark.parametrize("rounded", [False, True])
def test_the_product_of_two_activations_has_their_type(rounded):
    value = helper.make_tensor_value_info
    nodes = [
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Cast", ["b"], ["c"], to=TensorProto.FLOAT16),
        helper.make_node("Transpose", ["c"], ["d"]),
        helper.make_node("MatMul", ["a", "d" if rounded else "b"], ["e"]),
    ]
    graph = helper.make_graph(nodes, "product", [value("a", TensorProto.FLOAT, [2, 2])], [])
    assert layer_types(helper.make_model(graph)) == {"float16" if rounded else "float32": 1}


def test_a_transposed_convolution_counts():
    weight = numpy_helper.from_array(np.ones((1, 1, 2, 2), np.float32), "w")
    graph = helper.make_graph([helper.make_node("ConvTranspose", ["a", "w"], ["b"])], "up", [], [], [weight])
    assert layer_types(helper.make_model(graph)) == {"float32": 1}


def test_the_artifact_is_not_bound_to_a_cpu(tmp_path):
    built(tmp_path, Fp32())
    domains = {node.domain for node in onnx.load(tmp_path / "model.onnx").graph.node}
    assert "com.microsoft.nchwc" not in domains


def test_saturating_cpus_get_unsigned_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(sessions, "integer_products_saturate", lambda: True)
    backend, _ = built(tmp_path, Int8())
    images = pictures(5)
    with backend.load(tmp_path) as loaded:
        assert relative_error(loaded.infer(images), expected(images)) < 5e-2


@pytest.mark.parametrize("precision", [Fp32(), Fp16(), Int8()])
def test_precisions_with_kernels_are_not_refused(precision):
    assert OnnxRuntime().refusal(precision) is None


def test_bf16_is_refused_in_the_words_of_the_runtime():
    assert "Could not find an implementation for Conv" in str(OnnxRuntime().refusal(Bf16()))


def test_tf32_is_refused():
    assert "TF32 is a mode of NVIDIA GPUs" in str(OnnxRuntime().refusal(Tf32()))


def test_operator_without_a_kernel_makes_the_cell_unavailable(tmp_path):
    with pytest.raises(Unavailable, match="Could not find an implementation"):
        built(tmp_path, Bf16())


def test_invalid_graph_is_a_build_error_that_quotes_the_runtime(tmp_path):
    graph = tmp_path / "graph.onnx"
    model = network()
    model.graph.node[3].op_type = "Konv"
    graph.write_bytes(model.SerializeToString())
    source = Source("fp32", Fp32(), graph, tmp_path / "model.keras", pictures(1))
    with pytest.raises(BuildError, match="Konv"):
        OnnxRuntime(threads=1).build(source, tmp_path)


@pytest.mark.parametrize("threads", [0, -1])
def test_no_threads_are_refused(threads):
    with pytest.raises(ConfigError, match=f"threads={threads}"):
        OnnxRuntime(threads=threads)


@pytest.mark.parametrize("transfers", [True, False])
def test_bound_outputs_equal_inference_for_every_rotating_input(runner, transfers):
    batches = [pictures(4, seed) for seed in range(3)]
    with runner.bind(batches) as bound:
        bound.poison()
        outputs = bound.outputs(transfers)
    assert bound.batch_size == 4
    for batch, logits in zip(batches, outputs, strict=True):
        np.testing.assert_allclose(logits, runner.infer(batch), rtol=1e-5, atol=1e-6)


def test_poison_shows_until_an_engine_writes(runner):
    with runner.bind([pictures(2, 0), pictures(2, 1)]) as bound:
        bound.outputs(transfers=False)
        bound.poison()
        assert np.isnan(bound.answer(0)).all()
        bound.device_only(1)
        assert np.isfinite(bound.answer(0)).all()
        assert np.isnan(bound.answer(1)).all()


def test_outputs_are_copies(runner):
    with runner.bind([pictures(2)]) as bound:
        first = bound.outputs(transfers=False)
        bound.poison()
        assert np.isfinite(first[0]).all()


def test_timed_modes_return_a_positive_time_per_run(runner):
    with runner.bind([pictures(2, 0), pictures(2, 1)]) as bound:
        for milliseconds in (bound.device_only(5), bound.end_to_end(5)):
            assert milliseconds.shape == (5,)
            assert (milliseconds > 0).all()
        assert bound.stream(5) > 0
        assert bound.info() == BindingInfo(threads=1)


def test_batches_of_different_sizes_are_refused(runner):
    with pytest.raises(ValueError, match=r"sizes \[1, 2\]"):
        runner.bind([pictures(1), pictures(2)])


def test_closing_twice_is_harmless(runner):
    runner.close()
    runner.close()
