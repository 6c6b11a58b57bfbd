"""CUDA's runtime over host memory, as far as runners call it.

Work on a stream is done at once; between BeginCapture and EndCapture it is recorded, and GraphLaunch replays it. What
is not given back is in `live`.
"""

# ruff: noqa: N802, N803, N815 - the names are CUDA's

from __future__ import annotations

import ctypes
import itertools
from enum import IntEnum
from types import SimpleNamespace
from typing import Any


class Error(IntEnum):
    cudaSuccess = 0
    cudaErrorInvalidValue = 1
    cudaErrorMemoryAllocation = 2
    cudaErrorInsufficientDriver = 35
    cudaErrorStreamCaptureUnsupported = 900


OK = Error.cudaSuccess


class FakeCuda:
    """The functions of cuda.bindings.runtime; `capacity` bytes of device memory, `fail` maps a call to its error."""

    cudaStreamNonBlocking = 1
    cudaHostAllocDefault = 0
    cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)
    cudaStreamCaptureMode = SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)
    cudaDeviceAttr = SimpleNamespace(
        cudaDevAttrComputeCapabilityMajor="major", cudaDevAttrComputeCapabilityMinor="minor"
    )

    def __init__(self, capacity: int = 10**7, capability: tuple[int, int] = (9, 0)) -> None:
        self.capacity, self.capability, self.used = capacity, capability, 0
        self.fail: dict[str, Error] = {}
        self.live: dict[int, tuple[str, Any]] = {}
        self.numbers = itertools.count(1000)
        self.clock = 0.0
        self.recording: list[Any] | None = None
        self.launches = 0

    def _new(self, kind: str, value: Any = None) -> int:
        number = next(self.numbers)
        self.live[number] = (kind, value)
        return number

    def _drop(self, number: int, kind: str) -> tuple[Error]:
        found, _ = self.live.pop(int(number))
        assert found == kind, f"{number} is a {found}, not a {kind}"
        return (OK,)

    def do(self, stream: int, work) -> None:
        assert self.live[int(stream)][0] == "stream"
        if self.recording is not None:
            self.recording.append(work)
        else:
            work()

    def _failure(self, name: str) -> Error:
        return self.fail.get(name, OK)

    def cudaGetDeviceCount(self):
        error = self._failure("cudaGetDeviceCount")
        return (error, None) if error else (OK, 1)

    def cudaGetErrorString(self, error):
        return OK, f"words for {Error(error).name}".encode()

    def cudaGetLastError(self):
        return (OK,)

    def cudaSetDevice(self, device):
        return (self._failure("cudaSetDevice"),)

    def cudaGetDeviceProperties(self, device):
        return OK, SimpleNamespace(name=b"Fake GPU\0\0", uuid=SimpleNamespace(bytes=bytes(range(16))))

    def cudaDeviceGetAttribute(self, attr, device):
        return OK, self.capability[0] if attr == "major" else self.capability[1]

    def cudaDriverGetVersion(self):
        return OK, 13000

    def cudaMemGetInfo(self):
        return OK, self.capacity - self.used, self.capacity

    def cudaMalloc(self, size):
        if self.used + size > self.capacity:
            return Error.cudaErrorMemoryAllocation, None
        self.used += size
        buffer = (ctypes.c_uint8 * size)()
        address = ctypes.addressof(buffer)
        self.live[address] = ("device", buffer)
        return OK, address

    def cudaFree(self, devPtr):
        if devPtr == 0:
            return (OK,)
        self.used -= ctypes.sizeof(self.live[devPtr][1])
        return self._drop(devPtr, "device")

    def cudaHostAlloc(self, size, flags):
        buffer = (ctypes.c_uint8 * size)()
        address = ctypes.addressof(buffer)
        self.live[address] = ("pinned", buffer)
        return OK, address

    def cudaFreeHost(self, ptr):
        return self._drop(ptr, "pinned")

    def cudaStreamCreateWithFlags(self, flags):
        return OK, self._new("stream")

    def cudaStreamDestroy(self, stream):
        return self._drop(stream, "stream")

    def cudaStreamSynchronize(self, stream):
        assert self.recording is None, "synchronized while capturing"
        return (self._failure("cudaStreamSynchronize"),)

    def cudaEventCreate(self):
        return OK, self._new("event", [0.0])

    def cudaEventDestroy(self, event):
        return self._drop(event, "event")

    def cudaEventRecord(self, event, stream):
        self.clock += 0.25
        self.live[event][1][0] = self.clock
        return (OK,)

    def cudaEventElapsedTime(self, start, end):
        return OK, self.live[end][1][0] - self.live[start][1][0]

    def cudaMemcpy(self, dst, src, count, kind):
        ctypes.memmove(dst, src, count)
        return (OK,)

    def cudaMemcpyAsync(self, dst, src, count, kind, stream):
        self.do(stream, lambda: ctypes.memmove(dst, src, count))
        return (OK,)

    def cudaMemsetAsync(self, devPtr, value, count, stream):
        self.do(stream, lambda: ctypes.memset(devPtr, value, count))
        return (OK,)

    def cudaStreamBeginCapture(self, stream, mode):
        assert self.recording is None
        self.recording = []
        return (OK,)

    def cudaStreamEndCapture(self, stream):
        work, self.recording = self.recording, None
        error = self._failure("cudaStreamEndCapture")
        return (error, None) if error else (OK, self._new("graph", work))

    def cudaGraphInstantiate(self, graph, flags):
        return OK, self._new("executable", self.live[graph][1])

    def cudaGraphDestroy(self, graph):
        return self._drop(graph, "graph")

    def cudaGraphExecDestroy(self, graphExec):
        return self._drop(graphExec, "executable")

    def cudaGraphLaunch(self, graphExec, stream):
        self.launches += 1
        for work in self.live[graphExec][1]:
            self.do(stream, work)
        return (OK,)
