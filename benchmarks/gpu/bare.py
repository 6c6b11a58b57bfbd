"""The least that a GPU benchmark can be: one engine, one stream, a CUDA graph per input, on TensorRT and CUDA alone.

Nothing of roundoff is imported, so that its figures can be held against these.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from cuda.bindings import runtime as cuda


def ok(results: tuple[Any, ...]) -> Any:
    """What a CUDA call returned beside its status; RuntimeError if that is not success."""
    if int(results[0]) != 0:
        cuda.cudaGetLastError()  # or the next call would report it again
        raise RuntimeError(f"CUDA: {results[0]!r}")
    return results[1] if len(results) > 1 else None


def done(outcome: Any, what: str) -> Any:
    """What a TensorRT call returned; RuntimeError if that is False or None, which is how it fails."""
    if outcome is None or outcome is False:
        raise RuntimeError(f"TensorRT: {what} failed")
    return outcome


def captured(stream: Any, run: Callable[[], None]) -> Any:
    """An executable graph of what `run` enqueues on the stream."""
    ok(cuda.cudaStreamBeginCapture(stream, cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal))
    try:
        run()
    except BaseException:
        cuda.cudaStreamEndCapture(stream)  # a stream in capture mode cannot be freed
        raise
    graph = ok(cuda.cudaStreamEndCapture(stream))
    try:
        return ok(cuda.cudaGraphInstantiate(graph, 0))
    finally:
        ok(cuda.cudaGraphDestroy(graph))


class BareReplay:
    """An engine at one batch size, captured once for each of the `inputs`, uint8 [batch, H, W, C], which take turns.

    `close` frees what it took, and so does a failure to get that far. `log` is a TensorRT logger. `kernels` is a
    runtime cache of TensorRT-RTX (empty: compile anew); the kernels are the same either way.
    """

    def __init__(self, trt: Any, engine_file: Path, inputs: list[np.ndarray], log: Any, kernels: bytes = b"") -> None:
        self.taken = ExitStack()
        try:
            self._load(trt, engine_file, log, kernels)
            self._set_shape(inputs[0])
            self.buffers = [self._laid_out(images) for images in inputs]
            self.taken.callback(self._drop_engine)  # after the graphs, which use its kernels, and before its buffers
            self.replays = [self._captured(*buffers) for buffers in self.buffers]
            self.events = [self._own(ok(cuda.cudaEventCreate()), cuda.cudaEventDestroy) for _ in range(257)]
        except BaseException:
            self.close()
            raise

    def _load(self, trt: Any, engine_file: Path, log: Any, kernels: bytes) -> None:
        self.runtime = trt.Runtime(log)
        self.engine = done(self.runtime.deserialize_cuda_engine(engine_file.read_bytes()), "deserialize_cuda_engine")
        config = self.engine.create_runtime_config()
        if hasattr(config, "dynamic_shapes_kernel_specialization_strategy"):
            config.dynamic_shapes_kernel_specialization_strategy = trt.DynamicShapesKernelSpecializationStrategy.EAGER
        if kernels:
            self.cache = config.create_runtime_cache()
            self.cache.deserialize(kernels)  # where they are refused they are compiled anew
            config.set_runtime_cache(self.cache)
        # the default strategy would take memory for the largest of all profiles
        config.set_execution_context_allocation_strategy(trt.ExecutionContextAllocationStrategy.ON_PROFILE_CHANGE)
        self.context = done(self.engine.create_execution_context(config), "create_execution_context")

    def _set_shape(self, images: np.ndarray) -> None:
        self.stream = self._own(ok(cuda.cudaStreamCreateWithFlags(cuda.cudaStreamNonBlocking)), cuda.cudaStreamDestroy)
        classes = int(tuple(self.engine.get_tensor_shape("logits"))[-1])
        self.input_bytes, self.output_bytes = images.nbytes, 4 * len(images) * classes
        chosen = self.context.set_optimization_profile_async(self._profile(len(images)), int(self.stream))
        done(chosen, "set_optimization_profile_async")
        ok(cuda.cudaStreamSynchronize(self.stream))
        done(self.context.set_input_shape("image", tuple(images.shape)), "set_input_shape")

    def _laid_out(self, images: np.ndarray) -> tuple[Any, Any]:
        """Device memory with the images, and for their logits."""
        source = np.ascontiguousarray(images)
        images_at = self._own(ok(cuda.cudaMalloc(self.input_bytes)), cuda.cudaFree)
        logits_at = self._own(ok(cuda.cudaMalloc(self.output_bytes)), cuda.cudaFree)
        ok(cuda.cudaMemcpy(images_at, source.ctypes.data, source.nbytes, cuda.cudaMemcpyKind.cudaMemcpyHostToDevice))
        return images_at, logits_at

    def _captured(self, images_at: Any, logits_at: Any) -> Any:
        """An executable graph of one inference on those buffers."""
        done(self.context.set_tensor_address("image", int(images_at)), "set_tensor_address")
        done(self.context.set_tensor_address("logits", int(logits_at)), "set_tensor_address")
        for _ in range(3):
            self._enqueue()
        ok(cuda.cudaStreamSynchronize(self.stream))
        return self._own(captured(self.stream, self._enqueue), cuda.cudaGraphExecDestroy)

    def _enqueue(self) -> None:
        done(self.context.execute_async_v3(int(self.stream)), "execute_async_v3")

    def _own(self, handle: Any, release: Callable[[Any], Any]) -> Any:
        self.taken.callback(lambda: ok(release(handle)))
        return handle

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
        self._replay(-1)
        ok(cuda.cudaEventRecord(self.events[0], self.stream))
        for i in range(runs):
            self._replay(i)
            ok(cuda.cudaEventRecord(self.events[i + 1], self.stream))
        ok(cuda.cudaStreamSynchronize(self.stream))
        return np.array([ok(cuda.cudaEventElapsedTime(self.events[i], self.events[i + 1])) for i in range(runs)])

    def back_to_back_ms(self, runs: int) -> float:
        """Milliseconds per replay, with an event only at either end."""
        self._replay(-1)
        ok(cuda.cudaEventRecord(self.events[0], self.stream))
        for i in range(runs):
            self._replay(i)
        ok(cuda.cudaEventRecord(self.events[1], self.stream))
        ok(cuda.cudaStreamSynchronize(self.stream))
        return float(ok(cuda.cudaEventElapsedTime(self.events[0], self.events[1]))) / runs

    def _replay(self, turn: int) -> None:
        ok(cuda.cudaGraphLaunch(self.replays[turn % len(self.replays)], self.stream))

    def copy_ms(self, runs: int) -> tuple[float, float]:
        """Milliseconds of one copy of the batch in, and of its logits out, between pinned and device memory."""
        kinds = cuda.cudaMemcpyKind
        images_at, logits_at = self.buffers[0]
        pinned = ok(cuda.cudaHostAlloc(max(self.input_bytes, self.output_bytes), cuda.cudaHostAllocDefault))
        try:
            ctypes.memset(pinned, 0, self.input_bytes)
            inward = self._copies(images_at, pinned, self.input_bytes, kinds.cudaMemcpyHostToDevice, runs)
            outward = self._copies(pinned, logits_at, self.output_bytes, kinds.cudaMemcpyDeviceToHost, runs)
        finally:
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
        self.taken.close()
        self._drop_engine()

    def _drop_engine(self) -> None:
        self.context = self.cache = self.engine = self.runtime = None
