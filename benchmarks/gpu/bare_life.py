"""One life of an engine by TensorRT's and CUDA's own calls: what roundoff's backend asks of them, without roundoff.

What grows over such lives, grows in the libraries. Everything is taken and given back in the backend's order.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from cuda.bindings import runtime as cuda

from benchmarks.gpu.bare import captured, done, ok

INFERENCE, TIMED = 1, 3  # contexts; the timed ones have a graph of computing and one with copies around it
EVENTS = 257


@dataclass
class BareLife:
    """What a life takes: the engine, a TensorRT logger, compiled kernels, and images, uint8 [batch, H, W, C]."""

    trt: Any
    plan: bytes
    log: Any
    kernels: bytes
    images: np.ndarray

    def live(self) -> None:
        """Load, run what a runner and a binding run, and drop everything."""
        self._judge()
        with ExitStack() as taken:
            taken.callback(self._drop)
            self.runtime = self.trt.Runtime(self.log)
            self.engine = done(self.runtime.deserialize_cuda_engine(self.plan), "deserialize_cuda_engine")
            self.config = self.engine.create_runtime_config()
            strategy = self.trt.ExecutionContextAllocationStrategy.USER_MANAGED
            self.config.set_execution_context_allocation_strategy(strategy)
            self.cache = self._cache()
            for number in range(INFERENCE + TIMED):
                self._context(taken, timed=number >= INFERENCE)
            for _ in range(EVENTS):
                event = ok(cuda.cudaEventCreate())
                taken.callback(_freed, cuda.cudaEventDestroy, event)
            if self.cache is not None:
                bytes(self.cache.serialize() or b"")

    def _judge(self) -> None:
        runtime = self.trt.Runtime(self.log)
        if hasattr(runtime, "get_engine_validity"):
            runtime.get_engine_validity(self.plan)

    def _cache(self) -> Any:
        if not hasattr(self.config, "create_runtime_cache"):
            return None
        eager = self.trt.DynamicShapesKernelSpecializationStrategy.EAGER
        self.config.dynamic_shapes_kernel_specialization_strategy = eager
        self.config.cuda_graph_strategy = self.trt.CudaGraphStrategy.DISABLED
        cache = self.config.create_runtime_cache()
        if self.kernels:
            cache.deserialize(self.kernels)
        self.config.set_runtime_cache(cache)
        return cache

    def _context(self, taken: ExitStack, timed: bool) -> None:
        scratch = int(self.engine.get_device_memory_size_for_profile_v2(0))
        block = self._device(taken, scratch)
        stream = ok(cuda.cudaStreamCreateWithFlags(cuda.cudaStreamNonBlocking))
        taken.callback(lambda: ok(cuda.cudaStreamDestroy(stream)))
        contexts = [done(self.engine.create_execution_context(self.config), "create_execution_context")]
        taken.callback(contexts.clear)
        done(contexts[0].set_optimization_profile_async(0, int(stream)), "set_optimization_profile_async")
        ok(cuda.cudaStreamSynchronize(stream))
        done(contexts[0].set_input_shape("image", tuple(self.images.shape)), "set_input_shape")
        contexts[0].set_device_memory(int(block), scratch)
        self._runs(taken, contexts[0], stream, timed)

    def _runs(self, taken: ExitStack, context: Any, stream: Any, timed: bool) -> None:
        images, logits = self._buffer(taken, context, "image"), self._buffer(taken, context, "logits")

        def compute() -> None:
            done(context.execute_async_v3(int(stream)), "execute_async_v3")

        def round_trip() -> None:
            inward, outward = cuda.cudaMemcpyKind.cudaMemcpyHostToDevice, cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
            ok(cuda.cudaMemcpyAsync(images[1], images[0], images[2], inward, stream))
            compute()
            ok(cuda.cudaMemcpyAsync(logits[0], logits[1], logits[2], outward, stream))

        round_trip()
        ok(cuda.cudaStreamSynchronize(stream))
        for run in (compute, round_trip) if timed else ():
            replay = captured(stream, run)
            taken.callback(_freed, cuda.cudaGraphExecDestroy, replay)
            ok(cuda.cudaGraphLaunch(replay, stream))
            ok(cuda.cudaStreamSynchronize(stream))

    def _buffer(self, taken: ExitStack, context: Any, name: str) -> tuple[Any, Any, int]:
        """Pinned and device memory of a tensor, whose address the context is told, and its bytes."""
        classes = int(tuple(self.engine.get_tensor_shape("logits"))[-1])
        size = self.images.nbytes if name == "image" else 4 * len(self.images) * classes
        pinned = ok(cuda.cudaHostAlloc(size, cuda.cudaHostAllocDefault))
        taken.callback(lambda: ok(cuda.cudaFreeHost(pinned)))
        memory = self._device(taken, size)
        done(context.set_tensor_address(name, int(memory)), "set_tensor_address")
        return pinned, memory, size

    def _device(self, taken: ExitStack, size: int) -> Any:
        memory = ok(cuda.cudaMalloc(size))
        taken.callback(lambda: ok(cuda.cudaFree(memory)))
        return memory

    def _drop(self) -> None:
        self.cache = self.config = self.engine = self.runtime = None


def _freed(destroy: Callable[[Any], tuple[Any, ...]], thing: Any) -> None:
    ok(destroy(thing))
