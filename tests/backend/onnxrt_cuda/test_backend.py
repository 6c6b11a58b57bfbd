"""The CUDA provider on a fake GPU, whose memory is the host's: the CPU provider computes in its place."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from roundoff.backend import cuda, gpu
from roundoff.backend.base import Source
from roundoff.backend.onnxrt.backend import OnnxRuntime
from roundoff.backend.onnxrt_cuda import backend as cuda_backend
from roundoff.backend.onnxrt_cuda.backend import OnnxRuntimeCuda
from roundoff.backend.onnxrt_cuda.sessions import ON_CPU, PROVIDER, Sessions
from roundoff.errors import BuildError, ConfigError, Unavailable
from roundoff.graph.difference import relative_error
from roundoff.precision.base import Grid
from roundoff.precision.fp16 import Fp16
from roundoff.precision.fp32 import Fp32
from roundoff.precision.int8 import Int8
from roundoff.precision.tf32 import Tf32
from roundoff.results.message import Words, message
from tests.support.fake_cuda import Error, FakeCuda
from tests.support.networks import pictures, residual_network
from tests.support.present import present

REAL: Any = onnxruntime.InferenceSession


class OnHost:
    """An IO binding whose device addresses are the host's."""

    def __init__(self, binding) -> None:
        self.binding = binding

    def bind_input(self, name, device, number, *rest) -> None:
        assert (device, number) == ("cuda", 0)
        self.binding.bind_input(name, "cpu", 0, *rest)

    def bind_output(self, name, device, number, *rest) -> None:
        assert (device, number) == ("cuda", 0)
        self.binding.bind_output(name, "cpu", 0, *rest)


class Session:
    """A session of the CPU's that says it were on the GPU; work is done on the fake stream."""

    loads = True
    options: list[dict[str, str]] = []  # noqa: RUF012 - of all sessions
    fake: FakeCuda

    def __init__(self, path, options, providers) -> None:
        self.given = dict([providers[0]])[PROVIDER]
        Session.options.append(self.given)
        self.real = REAL(path, options, providers=[ON_CPU])
        self.get_inputs, self.get_outputs = self.real.get_inputs, self.real.get_outputs

    def get_providers(self):
        return [PROVIDER, ON_CPU] if self.loads else [ON_CPU]

    def get_provider_graph_assignment_info(self):
        return [
            SimpleNamespace(ep_name=PROVIDER, get_nodes=lambda: [SimpleNamespace(op_type="Conv")]),
            SimpleNamespace(ep_name=ON_CPU, get_nodes=lambda: [SimpleNamespace(op_type=name) for name in "BAB"]),
        ]

    def io_binding(self):
        return OnHost(self.real.io_binding())

    def run_with_iobinding(self, binding, options) -> None:
        unsynchronized = options.get_run_config_entry("disable_synchronize_execution_providers")
        assert unsynchronized == "1"
        stream = int(self.given["user_compute_stream"])
        self.fake.do(stream, lambda: self.real.run_with_iobinding(binding.binding))


@pytest.fixture
def fake(monkeypatch) -> FakeCuda:
    fake = FakeCuda()
    monkeypatch.setattr(cuda, "runtime", lambda: fake)
    monkeypatch.setattr(gpu, "WARM_S", 0.001)
    monkeypatch.setitem(sys.modules, "pynvml", SimpleNamespace(nvmlInit=no_nvml, NVMLError=OSError))
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [PROVIDER, ON_CPU])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    monkeypatch.setattr(Session, "fake", fake, raising=False)
    monkeypatch.setattr(Session, "options", [])
    return fake


def no_nvml() -> None:
    raise OSError


@pytest.fixture
def built(fake, tmp_path):
    """Builds a precision of the residual network: what the backend says, and where."""

    def build(precision, **settings):
        graph = tmp_path / "graph.onnx"
        onnx.save(precision.convert(residual_network(), Grid(), None), graph)
        backend = OnnxRuntimeCuda(batch_sizes=[2, 8], **settings)
        info = backend.build(Source("test", precision, graph, None, pictures(1)), tmp_path)
        return backend, info

    return build


def expected(images):
    session = REAL(residual_network().SerializeToString(), providers=[ON_CPU])
    return session.run(None, {session.get_inputs()[0].name: images})[0]


def test_where_the_module_has_no_cuda_provider_the_row_says_what_it_takes():
    reason = present(OnnxRuntimeCuda().refusal(Fp16()))
    for language in ("en", "ja"):
        words = Words(language).sentence(reason)
        assert f"{onnxruntime.__version__}" in words
        assert "pip uninstall -y onnxruntime && pip install 'onnxruntime-gpu>=1.24,<2'" in words
    missing = message("no_cuda_provider", version=onnxruntime.__version__)
    assert reason == message("installable", what=missing, remedy=cuda_backend.INSTALL)
    lack = present(OnnxRuntimeCuda().lack())
    assert (lack.what, lack.remedy) == (str(missing), cuda_backend.INSTALL)


def test_quantized_graphs_are_for_other_backends(fake):
    assert "ONNX Runtime's CUDA provider computes FP32, TF32, FP16 and BF16" in str(OnnxRuntimeCuda().refusal(Int8()))


def test_without_a_gpu_the_row_says_so(fake):
    assert OnnxRuntimeCuda().refusal(Fp16()) is None
    fake.fail["cudaGetDeviceCount"] = Error.cudaErrorInsufficientDriver
    assert "no CUDA device" in str(OnnxRuntimeCuda().refusal(Fp16()))
    assert present(OnnxRuntimeCuda().lack()).remedy == "a machine with an NVIDIA GPU and its driver"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"streams": 1}, "at least 2"),
        ({"conv_search": "FAST"}, "one of EXHAUSTIVE"),
        ({"batch_sizes": [0]}, "1 or more"),
    ],
)
def test_wrong_settings_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        OnnxRuntimeCuda(**settings)


def test_a_provider_that_does_not_load_is_no_row_of_the_cpus(built, monkeypatch):
    monkeypatch.setattr(Session, "loads", False)
    with pytest.raises(
        Unavailable, match=r"has a CUDA provider that does not load here: .*onnxruntime-gpu\[cuda,cudnn\]"
    ):
        built(Fp32())


@pytest.mark.parametrize(("precision", "tf32"), [(Fp32(), "0"), (Tf32(), "1")])
def test_tf32_is_allowed_where_it_is_asked_for(built, tmp_path, precision, tf32):
    backend, info = built(precision)
    backend.load(tmp_path).close()
    assert {each["use_tf32"] for each in Session.options} == {tf32}
    assert info.tf32_allowed is (tf32 == "1")
    assert info.layer_types == {"float32": 3}


def test_what_is_left_to_the_cpu_is_told(built):
    _, info = built(Fp32())
    assert str(info.notes[-1]).endswith("their data cross over in every run: A, B")


def test_a_graph_that_does_not_load_fails(fake, tmp_path):
    (tmp_path / "graph.onnx").write_bytes(b"no graph")
    with pytest.raises(BuildError, match="cannot load the test graph"):
        OnnxRuntimeCuda().build(Source("test", Fp32(), tmp_path / "graph.onnx", None, pictures(1)), tmp_path)


def test_an_operator_that_no_provider_has_a_kernel_for_is_unavailable_in_its_words(built, monkeypatch):
    words = (
        "Exception during initialization: transformer_memcpy.cc:253 !node_provider_type.empty() was false. "
        "Provider type for MaxPool node with name '/maxpool/MaxPool' is not set."
    )

    def refusing(*_):
        raise RuntimeError(words)

    monkeypatch.setattr(Sessions, "made", refusing)
    with pytest.raises(Unavailable, match="MaxPool node with name"):
        built(Fp32())


@pytest.mark.parametrize("cuda_graphs", [True, False])
def test_every_mode_answers_and_all_is_given_back(built, fake, tmp_path, cuda_graphs):
    backend, _ = built(Fp32(), cuda_graphs=cuda_graphs)
    images = pictures(11)
    batches = [pictures(16)[i : i + 4] for i in (0, 4, 8, 12)]
    with backend.load(tmp_path) as runner:
        assert relative_error(runner.infer(images), expected(images)) < 1e-6
        with runner.bind(batches) as bound:
            for transfers in (True, False):
                bound.poison()
                for found, batch in zip(bound.outputs(transfers), batches, strict=True):
                    assert relative_error(found, expected(batch)) < 1e-6
            info = bound.info()
            assert (info.cuda_graph, info.streams) == (cuda_graphs, 2)
            np.testing.assert_allclose(bound.device_only(5), 0.25)
        streams = [each["user_compute_stream"] for each in Session.options[1:]]
        assert len(streams) == len(set(streams)) == 2
    assert not fake.live


def test_the_cpus_backend_runs_beside_it(monkeypatch):
    monkeypatch.setattr("roundoff.backend.base.library_versions", lambda names: {})
    assert OnnxRuntime().lack() is None
