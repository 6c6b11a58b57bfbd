"""ONNX Runtime on an NVIDIA GPU, by its CUDA execution provider."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from roundoff.backend import cuda
from roundoff.backend.base import Backend, Lack, LayerTimer, Runner, Source
from roundoff.backend.onnxrt.layers import layer_types, note
from roundoff.backend.onnxrt.probes import in_its_own_words, not_implemented
from roundoff.backend.onnxrt_cuda.sessions import PROVIDER, SEARCHES, Sessions, on_the_cpu
from roundoff.dataset.base import Images
from roundoff.errors import BuildError, ConfigError, Unavailable
from roundoff.pipeline.limits import MOST_BATCH, MOST_BATCH_SIZES
from roundoff.precision.base import Precision
from roundoff.results.build import BuildInfo
from roundoff.results.checked import as_json, checked
from roundoff.results.message import Message, message
from roundoff.system.files import read_json, write_json
from roundoff.system.gc_pause import collector_paused

INFO = "engine.json"
FLOATS = ("float32", "tf32", "float16", "bfloat16")
INSTALL = "pip uninstall -y onnxruntime && pip install 'onnxruntime-gpu>=1.24,<2', in an environment of its own"
MOST_STREAMS = 64


@dataclass(frozen=True)
class OnnxRuntimeCuda(Backend):
    """ONNX Runtime's CUDA provider on the first visible GPU, replayed from CUDA graphs.

    Its package installs the same Python module as the one for CPUs, so it needs an environment of its own. Each of
    `streams` has a session with weights of its own, since a session computes on one stream. `batch_sizes` says at which
    size the test set runs; `conv_search` how cuDNN's algorithms are chosen: EXHAUSTIVE times them at every load.
    """

    artifact: ClassVar[str] = "model.onnx"
    on_gpu: ClassVar[bool] = True
    bound_to: ClassVar[tuple[str, ...]] = ("libraries.onnxruntime-gpu",)
    libraries: ClassVar[tuple[str, ...]] = ("cuda-python",)

    batch_sizes: list[int] = field(default_factory=lambda: [1, 32])
    conv_search: str = "EXHAUSTIVE"
    cuda_graphs: bool = True
    streams: int = 2

    def __post_init__(self) -> None:
        sizes = list(self.batch_sizes)
        fitting = 1 <= len(sizes) <= MOST_BATCH_SIZES and 1 <= min(sizes) <= max(sizes) <= MOST_BATCH
        expected = f"one to {MOST_BATCH_SIZES} sizes, each of 1 or more, up to {MOST_BATCH}"
        _require(fitting, "batch_sizes", sizes, expected)
        _require(self.conv_search in SEARCHES, "conv_search", self.conv_search, f"one of {', '.join(SEARCHES)}")
        overlapping = f"at least 2, so that copies overlap compute, at most {MOST_STREAMS}"
        _require(2 <= self.streams <= MOST_STREAMS, "streams", self.streams, overlapping)

    def refusal(self, precision: Precision) -> Message | None:
        """A quantized precision; no CUDA provider or GPU; a type that the GPU has no units for."""
        kinds = (precision.weights, precision.activations)
        if not set(kinds) <= set(FLOATS):
            return message("floats_only", library="ONNX Runtime's CUDA provider")
        return _absence() or cuda.beyond_this_gpu(kinds)

    def lack(self) -> Lack | None:
        """The provider, or a GPU."""
        missing = _absence()
        if missing is None:
            return None
        what, brought = str(missing).removesuffix(f": {INSTALL}"), missing.code == "no_cuda_provider"
        return Lack(what, INSTALL if brought else "a machine with an NVIDIA GPU and its driver")

    def builds_on(self) -> str | None:
        """The GPU: cuDNN's algorithms are timed on the first run."""
        _raise_absence()
        return cuda.use_first_device()

    def build(self, source: Source, directory: Path) -> BuildInfo:
        """Write model.onnx, the graph as it is, and engine.json; what it computes in is told by the optimized graph.

        Raises Unavailable for an operator without a kernel, BuildError for what else keeps a session from being made.
        """
        import onnx

        _raise_absence()
        shutil.copyfile(source.graph, directory / self.artifact)
        precision = source.precision
        try:
            with collector_paused(), TemporaryDirectory() as scratch:
                optimized = Path(scratch) / "optimized.onnx"
                session = self._sessions(directory, precision.allows_tf32).made(None, optimized)
                types, left = layer_types(onnx.load(optimized)), on_the_cpu(session)
        except not_implemented() as error:
            raise Unavailable(in_its_own_words(error, "CUDA")) from error
        except Unavailable:
            raise
        except Exception as error:
            raise BuildError(
                f"ONNX Runtime cannot load the {source.name} graph",
                received=f"{source.graph}: {in_its_own_words(error, 'CUDA')}",
                expected="an ONNX graph that its CUDA provider loads",
                fix="see the node that the message names; other runtimes may still take the graph",
            ) from error
        remarks = [note(precision, types) if precision.weights != "tf32" else None]
        remarks.append(message("left_to_the_cpu", names=left) if left else None)
        info = BuildInfo(
            layer_types=types,
            notes=[each for each in remarks if each],
            made_for=cuda.device_identity(),
            weights=precision.weights,
            activations=precision.activations,
            tf32_allowed=precision.allows_tf32,
        )
        write_json(directory / INFO, as_json(info))
        return info

    def layer_times(self, directory: Path, batches: Sequence[Images]) -> LayerTimer:
        """None: what ONNX Runtime's profile has of a GPU is how long the host took to launch each node."""
        raise Unavailable(message("only_launch_times"))

    def load(self, directory: Path) -> Runner:
        """A session on the first visible GPU; each further stream's is made with the first binding."""
        _raise_absence()
        from roundoff.backend.onnxrt_cuda.running import OnnxRuntimeCudaRunner

        cuda.use_first_device()
        info = checked(BuildInfo, read_json(directory / INFO), str(directory / INFO))
        with collector_paused():
            sessions = self._sessions(directory, bool(info.tf32_allowed))
            return OnnxRuntimeCudaRunner(sessions, self.batch_sizes, self.streams, self.cuda_graphs)

    def _sessions(self, directory: Path, tf32: bool) -> Sessions:
        return Sessions(directory / self.artifact, tf32, self.conv_search)


def _absence() -> Message | None:
    """Why ONNX Runtime cannot use a GPU here."""
    import onnxruntime as ort

    if PROVIDER not in ort.get_available_providers():
        return message("no_cuda_provider", version=ort.__version__, remedy=INSTALL)
    return cuda.absence()


def _raise_absence() -> None:
    missing = _absence()
    if missing is not None:
        raise Unavailable(missing)


def _require(holds: bool, name: str, received: object, expected: str) -> None:
    if not holds:
        raise ConfigError(
            f"{name} of the backend onnxruntime_cuda is wrong",
            received=received,
            expected=expected,
            fix="set it to what is expected; conf/backend/onnxruntime_cuda.yaml has values that work",
        )
