"""The least that a GPU benchmark can be: one engine, one stream, one CUDA graph, on TensorRT and CUDA alone.

Nothing of roundoff is imported, so that its figures can be held against these.
"""

from __future__ import annotations

import ctypes
import time
from pathlib import Path
from typing import Any

import numpy as np
from cuda.bindings import runtime as cuda


def ok(results: tuple[Any, ...]) -> Any:
    """What a CUDA call returned beside its status; RuntimeError if that is not success."""
    if int(results[0]) != 0:
        raise RuntimeError(f"CUDA: {results[0]}")
    return results[1] if len(results) > 1 else None


class BareReplay:
    """An engine at one batch size, captured once; `close` frees what it took.

    `kernels` is a runtime cache of TensorRT-RTX (empty: compile anew); the kernels are the same either way.
    """

    def __init__(self, trt: Any, engine_file: Path, images: np.ndarray, kernels: bytes = b"") -> None:
        self.runtime = trt.Runtime(trt.Logger(trt.Logger.Severity.ERROR))
        self.engine = self.runtime.deserialize_cuda_engine(engine_file.read_bytes())
        if self.engine is None:
            raise RuntimeError(f"{engine_file} does not deserialize")
        config = self.engine.create_runtime_config()
        if hasattr(config, "dynamic_shapes_kernel_specialization_strategy"):
            config.dynamic_shapes_kernel_specialization_strategy = trt.DynamicShapesKernelSpecializationStrategy.EAGER
        if kernels:
            self.cache = config.create_runtime_cache()
            assert self.cache.deserialize(kernels)
            config.set_runtime_cache(self.cache)
        # the default strategy would take memory for the largest of all profiles
        config.set_execution_context_allocation_strategy(trt.ExecutionContextAllocationStrategy.ON_PROFILE_CHANGE)
        self.context = self.engine.create_execution_context(config)
        self.stream = ok(cuda.cudaStreamCreateWithFlags(cuda.cudaStreamNonBlocking))
        batch = len(images)
        classes = int(tuple(self.engine.get_tensor_shape("logits"))[-1])
        self.input = ok(cuda.cudaMalloc(images.nbytes))
        self.output = ok(cuda.cudaMalloc(4 * batch * classes))
        self.input_bytes, self.output_bytes = images.nbytes, 4 * batch * classes
        images = np.ascontiguousarray(images)
        ok(cuda.cudaMemcpy(self.input, images.ctypes.data, images.nbytes, cuda.cudaMemcpyKind.cudaMemcpyHostToDevice))
        profile = self._profile(batch)
        assert self.context.set_optimization_profile_async(profile, int(self.stream))
        ok(cuda.cudaStreamSynchronize(self.stream))
        assert self.context.set_input_shape("image", tuple(images.shape))
        assert self.context.set_tensor_address("image", int(self.input))
        assert self.context.set_tensor_address("logits", int(self.output))
        for _ in range(3):
            assert self.context.execute_async_v3(int(self.stream))
        ok(cuda.cudaStreamSynchronize(self.stream))
        ok(cuda.cudaStreamBeginCapture(self.stream, cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal))
        assert self.context.execute_async_v3(int(self.stream))
        graph = ok(cuda.cudaStreamEndCapture(self.stream))
        self.replay = ok(cuda.cudaGraphInstantiate(graph, 0))
        ok(cuda.cudaGraphDestroy(graph))
        self.events = [ok(cuda.cudaEventCreate()) for _ in range(257)]

    def _profile(self, batch: int) -> int:
        shapes = [
            self.engine.get_tensor_profile_shape("image", i) for i in range(self.engine.num_optimization_profiles)
        ]
        sizes = [[int(next(iter(shape))) for shape in three] for three in shapes]
        return min(
            (i for i, (low, _, high) in enumerate(sizes) if low <= batch <= high),
            key=lambda i: abs(sizes[i][1] - batch),
        )

    def each_ms(self, runs: int) -> np.ndarray:
        """Milliseconds of each of up to 256 replays, an event between any two."""
        ok(cuda.cudaGraphLaunch(self.replay, self.stream))
        ok(cuda.cudaEventRecord(self.events[0], self.stream))
        for i in range(runs):
            ok(cuda.cudaGraphLaunch(self.replay, self.stream))
            ok(cuda.cudaEventRecord(self.events[i + 1], self.stream))
        ok(cuda.cudaStreamSynchronize(self.stream))
        return np.array([ok(cuda.cudaEventElapsedTime(self.events[i], self.events[i + 1])) for i in range(runs)])

    def back_to_back_ms(self, runs: int) -> float:
        """Milliseconds per replay, with an event only at either end."""
        ok(cuda.cudaGraphLaunch(self.replay, self.stream))
        ok(cuda.cudaEventRecord(self.events[0], self.stream))
        for _ in range(runs):
            ok(cuda.cudaGraphLaunch(self.replay, self.stream))
        ok(cuda.cudaEventRecord(self.events[1], self.stream))
        ok(cuda.cudaStreamSynchronize(self.stream))
        return float(ok(cuda.cudaEventElapsedTime(self.events[0], self.events[1]))) / runs

    def copy_ms(self, runs: int) -> tuple[float, float]:
        """Milliseconds of one copy of the batch in, and of its logits out, between pinned and device memory."""
        kinds = cuda.cudaMemcpyKind
        pinned = ok(cuda.cudaHostAlloc(max(self.input_bytes, self.output_bytes), cuda.cudaHostAllocDefault))
        ctypes.memset(pinned, 0, self.input_bytes)
        inward = self._copies(self.input, pinned, self.input_bytes, kinds.cudaMemcpyHostToDevice, runs)
        outward = self._copies(pinned, self.output, self.output_bytes, kinds.cudaMemcpyDeviceToHost, runs)
        ok(cuda.cudaFreeHost(pinned))
        return inward, outward

    def _copies(self, target: int, source: int, size: int, kind: Any, runs: int) -> float:
        ok(cuda.cudaMemcpyAsync(target, source, size, kind, self.stream))
        ok(cuda.cudaStreamSynchronize(self.stream))
        start = time.perf_counter()
        for _ in range(runs):
            ok(cuda.cudaMemcpyAsync(target, source, size, kind, self.stream))
        ok(cuda.cudaStreamSynchronize(self.stream))
        return 1e3 * (time.perf_counter() - start) / runs

    def close(self) -> None:
        """Free everything."""
        ok(cuda.cudaGraphExecDestroy(self.replay))
        for event in self.events:
            ok(cuda.cudaEventDestroy(event))
        self.context = self.cache = self.engine = self.runtime = None
        ok(cuda.cudaFree(self.input))
        ok(cuda.cudaFree(self.output))
        ok(cuda.cudaStreamDestroy(self.stream))
