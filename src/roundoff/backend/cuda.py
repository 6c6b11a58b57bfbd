"""CUDA through cuda-python: every call checked, every resource owned by something that frees it."""

from __future__ import annotations

import ctypes
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from roundoff.errors import Unavailable
from roundoff.results.message import Message, as_message, message
from roundoff.system.nvml import NoNvmlError, nvml

T = TypeVar("T", bound=np.generic)
NO_DRIVER = "cudaErrorInsufficientDriver"  # which CUDA says as well where there is no driver at all
FIRST_CAPABILITY = {"bfloat16": (8, 0), "tf32": (8, 0), "float8_e4m3fn": (8, 9)}


class CudaError(RuntimeError):
    """A CUDA call that failed: `call` is its name, `code` CUDA's own name of the error."""

    def __init__(self, call: str, code: str, words: str) -> None:
        self.call, self.code, self.words = call, code, words
        super().__init__(f"{call}: {code} ({words})")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.call, self.code, self.words)

    @property
    def is_out_of_memory(self) -> bool:
        """Whether the device, or the host for pinned memory, had no room."""
        return self.code == "cudaErrorMemoryAllocation"


@cache
def runtime() -> Any:
    """cuda-python's binding of the CUDA runtime; Unavailable names the package if it is missing."""
    try:
        from cuda.bindings import runtime as bindings
    except ImportError as error:
        raise Unavailable(message("no_cuda_python", words=str(error))) from None
    return bindings


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a runtime function; what it returns beside its status, or CudaError."""
    status, *results = function(*arguments)
    if status != 0:
        cuda = runtime()
        cuda.cudaGetLastError()  # or the next checked call would report this failure as its own
        words = cuda.cudaGetErrorString(status)[1]
        raise CudaError(function.__name__, status.name, words.decode() if isinstance(words, bytes) else str(words))
    return results[0] if len(results) == 1 else tuple(results) or None


def absence() -> Message | None:
    """Why no CUDA device can be used here, with CUDA's own words; None if one can."""
    try:
        count = call(runtime().cudaGetDeviceCount)
    except Unavailable as error:
        return as_message(error.args[0])
    except CudaError as error:
        key = "no_cuda_driver" if error.code == NO_DRIVER else "no_cuda_device"
        return message(key, words=str(error))
    return None if count else message("no_visible_cuda_device")


def compute_capability() -> tuple[int, int]:
    """(major, minor) of the first visible device."""
    cuda = runtime()
    attributes = cuda.cudaDeviceAttr
    major = call(cuda.cudaDeviceGetAttribute, attributes.cudaDevAttrComputeCapabilityMajor, 0)
    minor = call(cuda.cudaDeviceGetAttribute, attributes.cudaDevAttrComputeCapabilityMinor, 0)
    return int(major), int(minor)


def beyond_this_gpu(kinds: Iterable[str]) -> Message | None:
    """Which of the types (NumPy's names) the first visible device has no units for; None where it has for all."""
    have = compute_capability()
    for kind in kinds:
        need = FIRST_CAPABILITY.get(kind, (0, 0))
        if have < need:
            return message("beyond_this_gpu", kind=kind, need=f"{need[0]}.{need[1]}", have=f"{have[0]}.{have[1]}")
    return None


def use_first_device() -> str:
    """Make the first of CUDA_VISIBLE_DEVICES current and create its context; its UUID as nvidia-smi writes it."""
    cuda = runtime()
    call(cuda.cudaSetDevice, 0)
    call(cuda.cudaFree, 0)
    return f"GPU-{uuid.UUID(bytes=bytes(call(cuda.cudaGetDeviceProperties, 0).uuid.bytes))}"


def device_identity() -> dict[str, str]:
    """What an engine is bound to on the first visible device: `gpu` (a name), `sm` ("9.0"), `driver` ("570.86.10")."""
    name = call(runtime().cudaGetDeviceProperties, 0).name
    major, minor = compute_capability()
    return {
        "gpu": name.decode().rstrip("\0") if isinstance(name, bytes) else str(name),
        "sm": f"{major}.{minor}",
        "driver": driver_version(),
    }


def driver_version() -> str:
    """The driver's own version by NVML; where there is no NVML, the newest CUDA that it supports ("CUDA 13.0")."""
    try:
        version = nvml().nvmlSystemGetDriverVersion()
        return version.decode() if isinstance(version, bytes) else str(version)
    except NoNvmlError:
        supported = int(call(runtime().cudaDriverGetVersion))
        return f"CUDA {supported // 1000}.{supported % 1000 // 10}"


def free_bytes() -> int:
    """Bytes of device memory that nobody has taken."""
    return int(call(runtime().cudaMemGetInfo)[0])


class Resource:
    """Something that CUDA hands out; `close` gives it back, once."""

    def __init__(self, release: Callable[..., Any], handle: Any) -> None:
        self._release, self.handle = release, handle

    def close(self) -> None:
        """Free it; harmless when freed already."""
        if self.handle is not None:
            handle, self.handle = self.handle, None
            call(self._release, handle)


class DeviceMemory(Resource):
    """`size` bytes on the device, at address `handle`."""

    def __init__(self, size: int) -> None:
        cuda = runtime()
        self.size = size
        super().__init__(cuda.cudaFree, int(call(cuda.cudaMalloc, max(size, 256))))


class PinnedArray(Resource, Generic[T]):
    """A page-locked host array, which copies can overlap with compute; `array` is valid until `close`."""

    def __init__(self, shape: tuple[int, ...], dtype: type[T]) -> None:
        cuda = runtime()
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        super().__init__(cuda.cudaFreeHost, int(call(cuda.cudaHostAlloc, max(size, 1), cuda.cudaHostAllocDefault)))
        buffer = (ctypes.c_uint8 * size).from_address(self.handle)
        self.array: NDArray[T] = np.ctypeslib.as_array(buffer).view(dtype).reshape(shape)


class Stream(Resource):
    """A queue of work that does not wait for the default stream."""

    def __init__(self) -> None:
        cuda = runtime()
        super().__init__(cuda.cudaStreamDestroy, call(cuda.cudaStreamCreateWithFlags, cuda.cudaStreamNonBlocking))

    def synchronize(self) -> None:
        """Wait until the queue is empty; raises what any of its work failed with."""
        call(runtime().cudaStreamSynchronize, self.handle)


class Event(Resource):
    """A point in a stream; two of them time what lies between, on the device's clock."""

    def __init__(self) -> None:
        cuda = runtime()
        super().__init__(cuda.cudaEventDestroy, call(cuda.cudaEventCreate))

    def record(self, stream: Stream) -> None:
        """Mark this point in the stream."""
        call(runtime().cudaEventRecord, self.handle, stream.handle)

    def ms_since(self, start: Event) -> float:
        """Milliseconds from `start` to this event; both must have happened."""
        return float(call(runtime().cudaEventElapsedTime, start.handle, self.handle))


class Graph(Resource):
    """What `work` enqueues on `stream`, captured once, launched with one call."""

    def __init__(self, stream: Stream, work: Callable[[], None]) -> None:
        cuda = runtime()
        captured = _capture(stream, work)
        try:
            executable = call(cuda.cudaGraphInstantiate, captured, 0)
        finally:
            call(cuda.cudaGraphDestroy, captured)
        super().__init__(cuda.cudaGraphExecDestroy, executable)

    def launch(self, stream: Stream) -> None:
        """Enqueue the whole graph on any stream."""
        call(runtime().cudaGraphLaunch, self.handle, stream.handle)


def _capture(stream: Stream, work: Callable[[], None]) -> Any:
    cuda = runtime()
    mode = cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
    call(cuda.cudaStreamBeginCapture, stream.handle, mode)
    try:
        work()
    except BaseException:
        # the stream must leave capture mode whatever happened; its broken graph is not wanted
        status, *broken = cuda.cudaStreamEndCapture(stream.handle)
        if status == 0 and broken:
            cuda.cudaGraphDestroy(broken[0])
        cuda.cudaGetLastError()
        raise
    return call(cuda.cudaStreamEndCapture, stream.handle)


def copy_to_device(target: DeviceMemory, source: PinnedArray[Any], stream: Stream) -> None:
    """Enqueue a copy of the whole pinned array."""
    cuda = runtime()
    kind = cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
    call(cuda.cudaMemcpyAsync, target.handle, source.handle, source.array.nbytes, kind, stream.handle)


def copy_to_host(target: PinnedArray[Any], source: DeviceMemory, stream: Stream) -> None:
    """Enqueue a copy that fills the whole pinned array."""
    cuda = runtime()
    kind = cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
    call(cuda.cudaMemcpyAsync, target.handle, source.handle, target.array.nbytes, kind, stream.handle)


def fill_bytes(target: DeviceMemory, value: int, stream: Stream) -> None:
    """Enqueue setting every byte to `value` (255 everywhere is NaN in every IEEE float type)."""
    call(runtime().cudaMemsetAsync, target.handle, value, target.size, stream.handle)


class Owner(ExitStack):
    """Frees what it was given, last first, and goes on past a failure."""

    def own(self, resource: Any) -> Any:
        """Take charge of a resource and return it."""
        self.callback(resource.close)
        return resource


@contextmanager
def freed_on_failure(what: str | Message) -> Iterator[Owner]:
    """An Owner that survives success and is closed on failure; running out of memory becomes Unavailable."""
    owner = Owner()
    try:
        yield owner
    except CudaError as error:
        owner.close()
        if error.is_out_of_memory:
            raise Unavailable(message("no_memory", doing=what, words=str(error))) from None
        raise
    except BaseException:
        owner.close()
        raise
