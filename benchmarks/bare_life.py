"""One life of an engine by TensorRT's and CUDA's own calls: what roundoff's backend asks of them, without roundoff.

What grows over such lives, grows in the libraries.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from bare import done, ok
from cuda.bindings import runtime as cuda

GRAPHS = (0, 2, 2, 2)  # of each context: one for inference, and three that are timed, alone and with copies


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
        with ExitStack() as taken:
            taken.callback(self._drop)
            self.runtime = self.trt.Runtime(self.log)
            self.engine = done(self.runtime.deserialize_cuda_engine(self.plan), "deserialize_cuda_engine")
            self.config = self.engine.create_runtime_config()
            strategy = self.trt.ExecutionContextAllocationStrategy.USER_MANAGED
            self.config.set_execution_context_allocation_strategy(strategy)
            self.cache = self._cache()
            for graphs in GRAPHS:
                self._context(taken, graphs)
            if self.cache is not None:
                bytes(self.cache.serialize() or b"")

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

    def _context(self, taken: ExitStack, graphs: int) -> None:
        context = done(self.engine.create_execution_context(self.config), "create_execution_context")
        contexts = [context]
        taken.callback(contexts.clear)
        stream = ok(cuda.cudaStreamCreateWithFlags(cuda.cudaStreamNonBlocking))
        taken.callback(lambda: ok(cuda.cudaStreamDestroy(stream)))
        done(context.set_optimization_profile_async(0, int(stream)), "set_optimization_profile_async")
        ok(cuda.cudaStreamSynchronize(stream))
        done(context.set_input_shape("image", tuple(self.images.shape)), "set_input_shape")
        scratch = int(self.engine.get_device_memory_size_for_profile_v2(0))
        context.set_device_memory(int(self._device(taken, scratch)), scratch)
        classes = int(tuple(self.engine.get_tensor_shape("logits"))[-1])
        for name, size in (("image", self.images.nbytes), ("logits", 4 * len(self.images) * classes)):
            done(context.set_tensor_address(name, int(self._device(taken, size))), "set_tensor_address")
            pinned = ok(cuda.cudaHostAlloc(size, cuda.cudaHostAllocDefault))
            taken.callback(lambda pinned=pinned: ok(cuda.cudaFreeHost(pinned)))
        done(context.execute_async_v3(int(stream)), "execute_async_v3")
        ok(cuda.cudaStreamSynchronize(stream))
        for _ in range(graphs):
            self._replay(taken, context, stream)

    def _device(self, taken: ExitStack, size: int) -> Any:
        memory = ok(cuda.cudaMalloc(size))
        taken.callback(lambda: ok(cuda.cudaFree(memory)))
        return memory

    def _replay(self, taken: ExitStack, context: Any, stream: Any) -> None:
        ok(cuda.cudaStreamBeginCapture(stream, cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal))
        try:
            done(context.execute_async_v3(int(stream)), "execute_async_v3")
        finally:
            graph = ok(cuda.cudaStreamEndCapture(stream))
        replay = ok(cuda.cudaGraphInstantiate(graph, 0))
        taken.callback(lambda: ok(cuda.cudaGraphExecDestroy(replay)))
        ok(cuda.cudaGraphDestroy(graph))
        ok(cuda.cudaGraphLaunch(replay, stream))
        ok(cuda.cudaStreamSynchronize(stream))

    def _drop(self) -> None:
        self.cache = self.config = self.engine = self.runtime = None
