"""ONNX Runtime on an NVIDIA GPU, by its CUDA execution provider."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from roundoff.backend import cuda
from roundoff.backend.base import LayerTimer, Runner, Source
from roundoff.backend.gpu_floats import GpuFloats, installable, read_info, write_info
from roundoff.backend.onnxrt.layers import layer_types, note
from roundoff.backend.onnxrt.probes import in_its_own_words, not_implemented
from roundoff.backend.onnxrt_cuda.sessions import PROVIDER, SEARCHES, Sessions, on_the_cpu
from roundoff.dataset.base import Images
from roundoff.errors import BuildError, Unavailable
from roundoff.results.build import BuildInfo
from roundoff.results.message import Message, message
from roundoff.system.gc_pause import collector_paused

INSTALL = "pip uninstall -y onnxruntime && pip install 'onnxruntime-gpu>=1.24,<2', in an environment of its own"


NO_KERNEL = "!node_provider_type.empty() was false"
"""In ONNX Runtime's words where neither provider has a kernel for a node: MaxPool in bfloat16, with 1.31 on an H200."""


@dataclass(frozen=True)
class OnnxRuntimeCuda(GpuFloats):
    """ONNX Runtime's CUDA provider on the first visible GPU, replayed from CUDA graphs.

    Its package installs the same Python module as the one for CPUs, so it needs an environment of its own. Each of
    `streams` has a session with weights of its own, since a session computes on one stream. `batch_sizes` says at which
    size the test set runs; `conv_search` how cuDNN's algorithms are chosen: EXHAUSTIVE times them at every load.
    """

    key: ClassVar[str] = "onnxruntime_cuda"
    library: ClassVar[str] = "ONNX Runtime's CUDA provider"
    bound_to: ClassVar[tuple[str, ...]] = ("libraries.onnxruntime-gpu",)
    libraries: ClassVar[tuple[str, ...]] = ("cuda-python",)

    streams: int = 2
    conv_search: str = "EXHAUSTIVE"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require(self.conv_search in SEARCHES, "conv_search", self.conv_search, f"one of {', '.join(SEARCHES)}")

    def absence(self) -> Message | None:
        """That ONNX Runtime has no CUDA provider, or what keeps CUDA from a GPU."""
        import onnxruntime as ort

        if PROVIDER not in ort.get_available_providers():
            return installable(message("no_cuda_provider", version=ort.__version__), INSTALL)
        return cuda.absence()

    def build(self, source: Source, directory: Path) -> BuildInfo:
        """Write model.onnx, the graph as it is, and engine.json; what it computes in is told by the optimized graph.

        Raises Unavailable for an operator without a kernel, BuildError for what else keeps a session from being made.
        """
        import onnx

        self.require_present()
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
            if NO_KERNEL in str(error):
                raise Unavailable(in_its_own_words(error, "CUDA")) from error
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
        write_info(info, directory)
        return info

    def layer_times(self, directory: Path, batches: Sequence[Images]) -> LayerTimer:
        """None: what ONNX Runtime's profile has of a GPU is how long the host took to launch each node."""
        raise Unavailable(message("only_launch_times"))

    def load(self, directory: Path) -> Runner:
        """A session on the first visible GPU; each further stream's is made with the first binding."""
        self.require_present()
        from roundoff.backend.onnxrt_cuda.running import OnnxRuntimeCudaRunner

        cuda.use_first_device()
        info = read_info(directory)
        with collector_paused():
            sessions = self._sessions(directory, bool(info.tf32_allowed))
            return OnnxRuntimeCudaRunner(sessions, self.batch_sizes, self.streams, self.cuda_graphs)

    def _sessions(self, directory: Path, tf32: bool) -> Sessions:
        return Sessions(directory / self.artifact, tf32, self.conv_search)
