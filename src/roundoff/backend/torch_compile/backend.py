"""torch.compile on an NVIDIA GPU: what one would pick instead of TensorRT, built from the same ONNX graphs."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from roundoff.backend import cuda
from roundoff.backend.base import Backend, Lack, LayerTimer, Runner, Source
from roundoff.dataset.base import Images
from roundoff.errors import ConfigError, Unavailable
from roundoff.pipeline.limits import MOST_BATCH, MOST_BATCH_SIZES
from roundoff.precision.base import Precision
from roundoff.results.build import BuildInfo
from roundoff.results.checked import as_json, checked
from roundoff.results.message import Message, message
from roundoff.system.files import read_json, write_json

INFO = "engine.json"
INSTALL = "pip install -e '.[torch]' in a checkout, or pip install 'torch>=2.6,<3'"
FLOATS = ("float32", "tf32", "float16", "bfloat16")
# Their other modes capture CUDA graphs of their own; roundoff captures, as for every backend on a GPU.
MODES = ("default", "max-autotune-no-cudagraphs")
MOST_STREAMS = 64


@dataclass(frozen=True)
class TorchCompile(Backend):
    """PyTorch's compiler (Inductor) on the first visible GPU, for static shapes, replayed from CUDA graphs.

    What is stored is data alone: the ONNX graph in its precision, and settings. It is compiled when it is built, for
    each of `batch_sizes`, and again when another process loads it; PyTorch keeps kernels in its own cache.
    `mode` is torch.compile's.
    """

    artifact: ClassVar[str] = "model.onnx"
    on_gpu: ClassVar[bool] = True
    bound_to: ClassVar[tuple[str, ...]] = ("libraries.torch",)
    libraries: ClassVar[tuple[str, ...]] = ("cuda-python", "triton")
    device: ClassVar[str] = "cuda"

    batch_sizes: list[int] = field(default_factory=lambda: [1, 32])
    mode: str = "default"
    cuda_graphs: bool = True
    streams: int = 3

    def __post_init__(self) -> None:
        sizes = list(self.batch_sizes)
        fitting = 1 <= len(sizes) <= MOST_BATCH_SIZES and 1 <= min(sizes) <= max(sizes) <= MOST_BATCH
        _require(
            fitting, "batch_sizes", sizes, f"one to {MOST_BATCH_SIZES} sizes, each of 1 or more, up to {MOST_BATCH}"
        )
        _require(self.mode in MODES, "mode", self.mode, f"one of {', '.join(MODES)}")
        overlapping = f"at least 2, so that copies overlap compute, at most {MOST_STREAMS}"
        _require(2 <= self.streams <= MOST_STREAMS, "streams", self.streams, overlapping)

    def refusal(self, precision: Precision) -> Message | None:
        """A quantized precision; no PyTorch, none with CUDA, or no GPU; a type that the GPU has no units for."""
        kinds = (precision.weights, precision.activations)
        if not set(kinds) <= set(FLOATS):
            return message("floats_only", library="torch.compile")
        return _absence() or cuda.beyond_this_gpu(kinds)

    def lack(self) -> Lack | None:
        """PyTorch, one with CUDA, or a GPU."""
        missing = _absence()
        if missing is None:
            return None
        brought = missing.code in ("no_torch", "torch_without_cuda")
        what = str(missing).removesuffix(f": {INSTALL}")
        return Lack(what, INSTALL if brought else "a machine with an NVIDIA GPU and its driver")

    def builds_on(self) -> str | None:
        """The GPU: cuDNN's algorithms are timed while it is checked."""
        _raise_absence()
        return cuda.use_first_device()

    def build(self, source: Source, directory: Path) -> BuildInfo:
        """Write model.onnx and engine.json, compile for each batch size, and hold the answers against ONNX Runtime's.

        Raises GateError where these differ, Unavailable for an operator that has no version here.
        """
        _raise_absence()
        from roundoff.backend.torch_compile.checking import check

        shutil.copyfile(source.graph, directory / self.artifact)
        precision = source.precision
        with TemporaryDirectory() as scratch:
            compiled = self._compiled(directory, precision.allows_tf32)
            types = compiled.types()
            check(source.graph, compiled, self.batch_sizes, precision.activations, Path(scratch))
            compiled.close()
        info = BuildInfo(
            layer_types=types,
            made_for={"library": f"torch {_torch().__version__}", **cuda.device_identity()},
            weights=precision.weights,
            activations=precision.activations,
            tf32_allowed=precision.allows_tf32,
            profiles=[3 * [size] for size in self.batch_sizes],
        )
        write_json(directory / INFO, as_json(info))
        return info

    def layer_times(self, directory: Path, batches: Sequence[Images]) -> LayerTimer:
        """None: the compiler's kernels have no names of layers."""
        raise Unavailable(message("kernels_without_layers"))

    def load(self, directory: Path) -> Runner:
        """The graph on the first visible GPU, compiled for the size that the test set runs at."""
        _raise_absence()
        from roundoff.backend.torch_compile.running import TorchRunner

        cuda.use_first_device()
        info = checked(BuildInfo, read_json(directory / INFO), str(directory / INFO))
        compiled = self._compiled(directory, bool(info.tf32_allowed))
        return TorchRunner(compiled, self.batch_sizes, info, self.streams, self.cuda_graphs)

    def _compiled(self, directory: Path, tf32: bool) -> Any:
        from roundoff.backend.torch_compile.compiled import Compiled

        return Compiled(directory / self.artifact, self.device, tf32, self.mode)


def _torch() -> Any:
    return importlib.import_module("torch")


def _absence() -> Message | None:
    """Why PyTorch cannot use a GPU here."""
    try:
        torch = _torch()
    except Exception as error:  # of its own libraries anything may come
        words = (str(error).splitlines() or [type(error).__name__])[0]
        return message("no_torch", words=words, remedy=INSTALL)
    missing = cuda.absence()
    if missing is not None:
        return missing
    if not torch.cuda.is_available():
        return message("torch_without_cuda", version=torch.__version__, remedy=INSTALL)
    return None


def _raise_absence() -> None:
    missing = _absence()
    if missing is not None:
        raise Unavailable(missing)


def _require(holds: bool, name: str, received: object, expected: str) -> None:
    if not holds:
        raise ConfigError(
            f"{name} of the torch backend is wrong",
            received=received,
            expected=expected,
            fix="set it to what is expected; conf/backend/torch.yaml has values that work",
        )
