"""CUDA through cuda-python: every call checked, every resource owned by something that frees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from roundoff.errors import Unavailable


class CudaError(RuntimeError):
    """A CUDA call that failed: `call` is its name, `code` CUDA's own name of the error."""

    def __init__(self, call: str, code: str, words: str) -> None:
        self.call, self.code = call, code
        super().__init__(f"{call}: {code} ({words})")

    @property
    def is_out_of_memory(self) -> bool:
        """Whether the device (or pinned host memory) had no room."""
        return self.code == "cudaErrorMemoryAllocation"


def runtime() -> Any:
    """cuda-python's binding of the CUDA runtime; Unavailable names the package if it is missing."""
    try:
        from cuda.bindings import runtime as bindings
    except ImportError as error:
        raise Unavailable(f"cuda-python does not load ({error}): pip install cuda-python") from None
    return bindings


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a runtime function; its results without the status, or CudaError."""
    status, *results = function(*arguments)
    if int(status) != 0:
        cuda = runtime()
        _, words = cuda.cudaGetErrorString(status)
        raise CudaError(function.__name__, status.name, words.decode() if words else "no description")
    return results[0] if len(results) == 1 else tuple(results)


def absence() -> str | None:
    """Why no CUDA device can be used here, in CUDA's own words; None if one can."""
    try:
        cuda = runtime()
        count = call(cuda.cudaGetDeviceCount)
    except Unavailable as error:
        return str(error)
    except CudaError as error:
        return f"no CUDA device: {error}"
    return None if count else "no CUDA device is visible (CUDA_VISIBLE_DEVICES hides them or there is none)"


def compute_capability() -> tuple[int, int]:
    """(major, minor) of the current device."""
    cuda = runtime()
    attributes = cuda.cudaDeviceAttr
    device = call(cuda.cudaGetDevice)
    major = call(cuda.cudaDeviceGetAttribute, attributes.cudaDevAttrComputeCapabilityMajor, device)
    minor = call(cuda.cudaDeviceGetAttribute, attributes.cudaDevAttrComputeCapabilityMinor, device)
    return int(major), int(minor)
