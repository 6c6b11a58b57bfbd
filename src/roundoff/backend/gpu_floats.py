"""What backends have in common that take an ONNX graph of floats as it is to the first visible NVIDIA GPU."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from roundoff.backend import cuda
from roundoff.backend.base import Backend, Lack
from roundoff.backend.gpu_settings import A_GPU, require_batch_sizes, require_setting, require_streams
from roundoff.errors import Unavailable
from roundoff.precision.base import Precision
from roundoff.results.build import BuildInfo
from roundoff.results.checked import as_json, checked
from roundoff.results.message import Message, message
from roundoff.system.files import read_json, write_json

INFO = "engine.json"
INSTALLABLE = "installable"
FLOATS = ("float32", "tf32", "float16", "bfloat16")


@dataclass(frozen=True)
class GpuFloats(Backend):
    """A runtime for FP32, TF32, FP16 and BF16 on the first visible GPU; `batch_sizes` is what it is made ready for.

    `key` is its option of the group `backend`, `library` what sentences call it.
    """

    artifact: ClassVar[str] = "model.onnx"
    on_gpu: ClassVar[bool] = True
    key: ClassVar[str]
    library: ClassVar[str]

    batch_sizes: list[int] = field(default_factory=lambda: [1, 32])
    cuda_graphs: bool = True
    streams: int = 3

    def __post_init__(self) -> None:
        require_batch_sizes(self.batch_sizes, self.key)
        require_streams(self.streams, self.key)

    @abstractmethod
    def absence(self) -> Message | None:
        """Why the library cannot use a GPU here: of what can be installed by `installable`."""

    def refusal(self, precision: Precision) -> Message | None:
        """A quantized precision; no library that can use a GPU; a type that the GPU has no units for."""
        kinds = (precision.weights, precision.activations)
        if not set(kinds) <= set(FLOATS):
            return message("floats_only", library=self.library)
        return self.absence() or cuda.beyond_this_gpu(kinds)

    def lack(self) -> Lack | None:
        """The library, or a GPU."""
        missing = self.absence()
        if missing is None:
            return None
        if missing.code == INSTALLABLE:
            return Lack(str(missing.values["what"]), str(missing.values["remedy"]))
        return Lack(str(missing), A_GPU)

    def builds_on(self) -> str | None:
        """The GPU: cuDNN's algorithms are timed while an engine is built."""
        self.require_present()
        return cuda.use_first_device()

    def require_present(self) -> None:
        """Raise Unavailable where the library cannot use a GPU here."""
        missing = self.absence()
        if missing is not None:
            raise Unavailable(missing)

    def _require(self, holds: bool, name: str, received: object, expected: str) -> None:
        require_setting(holds, self.key, name, received, expected)


def installable(what: Message, remedy: str) -> Message:
    """That something is missing which `remedy`, a command, brings."""
    return message(INSTALLABLE, what=what, remedy=remedy)


def write_info(info: BuildInfo, directory: Path) -> None:
    """Write engine.json, which `read_info` reads."""
    write_json(directory / INFO, as_json(info))


def read_info(directory: Path) -> BuildInfo:
    """What `build` wrote; raises DataError."""
    return checked(BuildInfo, read_json(directory / INFO), str(directory / INFO))
