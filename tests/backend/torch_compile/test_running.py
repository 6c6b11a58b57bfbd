"""The runner and its bindings, with PyTorch on the CPU behind the fake GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from roundoff.backend.base import Source
from roundoff.errors import DataError
from roundoff.graph.difference import relative_error
from roundoff.precision.fp16 import Fp16
from roundoff.precision.fp32 import Fp32
from roundoff.precision.tf32 import Tf32
from roundoff.results.build import BuildInfo, LayerTypes
from tests.support.networks import pictures, run

pytest.importorskip("torch")

from roundoff.backend.torch_compile import running
from roundoff.backend.torch_compile.backend import TorchCompile
from roundoff.backend.torch_compile.compiled import Compiled
from roundoff.backend.torch_compile.running import TorchRunner


@pytest.fixture
def load(torch_on_fake_gpu, graph):
    def make(precision=None, cuda_graphs=True) -> TorchRunner:
        compiled = Compiled(graph(precision or Fp32()), "cpu", False, "default")
        return TorchRunner(compiled, [2, 8, 512], BuildInfo(layer_types={"float32": 3}), 3, cuda_graphs)

    return make


def expected(graph, images):
    return run(onnx.load(graph(Fp32())), images)[0]


@pytest.mark.parametrize("count", [0, 1, 8, 11])
def test_infer_answers_any_number_of_images(load, graph, count):
    images = pictures(count)
    with load() as runner:
        logits = runner.infer(images)
    assert logits.shape == (count, runner.classes)
    if count:
        assert relative_error(logits, expected(graph, images)) < 1e-5


@pytest.mark.parametrize("cuda_graphs", [True, False])
def test_every_timed_mode_leaves_each_inputs_logits(load, graph, cuda_graphs):
    batches = [pictures(4 * (i + 1))[-4:] for i in range(4)]
    with load(cuda_graphs=cuda_graphs) as runner, runner.bind(batches) as bound:
        for transfers in (False, True):
            bound.poison()
            for found, batch in zip(bound.outputs(transfers), batches, strict=True):
                assert relative_error(found, expected(graph, batch)) < 1e-5
        assert bound.info().cuda_graph is cuda_graphs
        assert bound.info().streams == 3
        np.testing.assert_allclose(bound.device_only(10), 0.25)


def test_each_lane_is_captured_twice(load):
    graphs: Any = running.TorchGraph
    before = graphs.captured
    with load() as runner, runner.bind([pictures(2)] * 4):
        assert graphs.captured - before == 2 * 6


def test_a_capture_that_fails_is_enqueued_and_says_why(load, graph, monkeypatch):
    def fails(*_):
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing")

    monkeypatch.setattr(running, "TorchGraph", fails)
    batch = pictures(2)
    with load() as runner, runner.bind([batch]) as bound:
        assert "not permitted when stream is capturing" in str(bound.info().no_cuda_graph_reason)
        assert relative_error(bound.output(transfers=True), expected(graph, batch)) < 1e-5


def test_half_precision_computes_in_half(load, graph):
    images = pictures(8)
    with load(Fp16()) as runner:
        assert 1e-5 < relative_error(runner.infer(images), expected(graph, images)) < 1e-2


def test_loads_use_the_same_streams_and_the_same_code(load):
    from roundoff.backend.torch_compile import compiled

    for _ in range(3):
        with load() as runner, runner.bind([pictures(2)]):
            assert len(running._STREAMS) == 3
            assert len(compiled._PROGRAMS) == 2


def test_all_that_was_taken_is_given_back(load, torch_on_fake_gpu):
    runner = load()
    bound = runner.bind([pictures(8)])
    assert runner.memory_mb() == pytest.approx((runner._loaded_bytes + bound.device_bytes) / 1e6)
    runner.close()
    runner.close()
    kinds = {kind for kind, _ in torch_on_fake_gpu.live.values()}
    assert kinds == {"stream"}  # PyTorch's own, which it keeps
    assert runner._compiled.stored == {}
    with pytest.raises(ValueError, match="closed"):
        runner.infer(pictures(1))


def test_images_of_another_shape_are_refused(load):
    with load() as runner, pytest.raises(DataError, match="not what the engine takes"):
        runner.infer(np.zeros((2, 4, 4, 1), np.uint8))


class OnHost(TorchCompile):
    """The backend with its tensors in the host's memory, where the fake GPU's are."""

    device = "cpu"

    def absence(self):
        return None


@pytest.mark.parametrize(("precision", "kind"), [(Fp32(), "float32"), (Tf32(), "float32"), (Fp16(), "float16")])
def test_what_is_built_is_checked_stored_as_data_and_loaded(torch_on_fake_gpu, graph, tmp_path, precision, kind):
    backend, folder = OnHost(batch_sizes=[2, 8]), tmp_path / "cell"
    folder.mkdir()
    info = backend.build(Source("test", precision, graph(precision), None, pictures(1)), folder)
    assert (info.layer_types, info.tf32_allowed) == ({kind: 3}, precision.allows_tf32)
    assert sorted(path.name for path in folder.iterdir()) == ["engine.json", "model.onnx"]
    onnx.checker.check_model(onnx.load(folder / "model.onnx"))
    images = pictures(5)
    with backend.load(folder) as runner:
        assert runner.layer_types() == LayerTypes(layer_types={kind: 3})
        assert relative_error(runner.infer(images), expected(graph, images)) < 1e-2
    again = tmp_path / "again"
    again.mkdir()
    backend.build(Source("test", precision, graph(precision), None, pictures(1)), again)
    assert all((folder / name).read_bytes() == (again / name).read_bytes() for name in ("engine.json", "model.onnx"))
