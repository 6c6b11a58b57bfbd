"""torch.compile on an NVIDIA GPU: what one would pick instead of TensorRT, built from the same ONNX graphs."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from roundoff.backend import cuda
from roundoff.backend.base import LayerTimer, Runner, Source
from roundoff.backend.gpu_floats import GpuFloats, installable, read_info, write_info
from roundoff.dataset.base import Images
from roundoff.errors import Unavailable
from roundoff.results.build import BuildInfo
from roundoff.results.message import Message, message

INSTALL = "pip install -e '.[torch]' in a checkout, or pip install 'torch>=2.6,<3'"
# Their other modes capture CUDA graphs of their own; roundoff captures, as for every backend on a GPU.
MODES = ("default", "max-autotune-no-cudagraphs")


@dataclass(frozen=True)
class TorchCompile(GpuFloats):
    """PyTorch's compiler (Inductor) on the first visible GPU, for static shapes, replayed from CUDA graphs.

    What is stored is data alone: the ONNX graph in its precision, and settings. It is compiled when it is built, for
    each of `batch_sizes`, and again when another process loads it; PyTorch keeps kernels in its own cache.
    `mode` is torch.compile's.
    """

    key: ClassVar[str] = "torch"
    library: ClassVar[str] = "torch.compile"
    bound_to: ClassVar[tuple[str, ...]] = ("libraries.torch",)
    libraries: ClassVar[tuple[str, ...]] = ("cuda-python", "triton")
    device: ClassVar[str] = "cuda"

    mode: str = "default"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require(self.mode in MODES, "mode", self.mode, f"one of {', '.join(MODES)}")

    def absence(self) -> Message | None:
        """That there is no PyTorch, or none that can use a GPU here."""
        try:
            torch = _torch()
        except Exception as error:  # of its own libraries anything may come
            words = (str(error).splitlines() or [type(error).__name__])[0]
            return installable(message("no_torch", words=words), INSTALL)
        missing = cuda.absence()
        if missing is None and not torch.cuda.is_available():
            return installable(message("torch_without_cuda", version=torch.__version__), INSTALL)
        return missing

    def build(self, source: Source, directory: Path) -> BuildInfo:
        """Write model.onnx and engine.json, compile for each batch size, and hold the answers against ONNX Runtime's.

        Raises GateError where these differ, Unavailable for an operator that has no version here.
        """
        self.require_present()
        from roundoff.backend.torch_compile.checking import check

        shutil.copyfile(source.graph, directory / self.artifact)
        precision = source.precision
        with TemporaryDirectory() as scratch:
            compiled = self._compiled(directory, precision.allows_tf32)
            types = compiled.types()
            images = source.calibration
            check(source.graph, compiled, images, self.batch_sizes, precision.activations, Path(scratch))
            compiled.close()
        info = BuildInfo(
            layer_types=types,
            made_for={"library": f"torch {_torch().__version__}", **cuda.device_identity()},
            weights=precision.weights,
            activations=precision.activations,
            tf32_allowed=precision.allows_tf32,
            profiles=[3 * [size] for size in self.batch_sizes],
        )
        write_info(info, directory)
        return info

    def layer_times(self, directory: Path, batches: Sequence[Images]) -> LayerTimer:
        """None: the compiler's kernels have no names of layers."""
        raise Unavailable(message("kernels_without_layers"))

    def load(self, directory: Path) -> Runner:
        """The graph on the first visible GPU, compiled for the size that the test set runs at."""
        self.require_present()
        from roundoff.backend.torch_compile.running import TorchRunner

        cuda.use_first_device()
        info = read_info(directory)
        compiled = self._compiled(directory, bool(info.tf32_allowed))
        return TorchRunner(compiled, self.batch_sizes, info, self.streams, self.cuda_graphs)

    def _compiled(self, directory: Path, tf32: bool) -> Any:
        from roundoff.backend.torch_compile.compiled import Compiled

        return Compiled(directory / self.artifact, self.device, tf32, self.mode)


def _torch() -> Any:
    return importlib.import_module("torch")
