"""Execution contexts: a TensorRT engine, one optimization profile, one batch size, one stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from roundoff.backend.cuda import CudaError, DeviceMemory, Graph, Stream
from roundoff.backend.gpu import RUNNING
from roundoff.backend.trt.library import OUT_OF_MEMORY
from roundoff.errors import Unavailable
from roundoff.results.message import message


@dataclass
class Block:
    """Device memory that several contexts may use, one at a time."""

    memory: DeviceMemory
    users: int = 0


class Scratch:
    """Activation memory of this process, shared: an evaluation holds many engines and runs one of them at a time.

    Whoever runs work on a context holds `running` until the device has finished it.
    """

    def __init__(self) -> None:
        self.running = RUNNING
        self.blocks: list[Block] = []

    def take(self, size: int, count: int) -> list[Block]:
        """`count` different blocks of at least `size` bytes, old ones where they fit; CudaError if there is no room."""
        with self.running:
            taken = [block for block in self.blocks if block.memory.size >= size][:count]
            for block in taken:
                block.users += 1
            try:
                while len(taken) < count:
                    taken.append(Block(DeviceMemory(size), users=1))
                    self.blocks = sorted([*self.blocks, taken[-1]], key=lambda block: block.memory.size)
            except CudaError:
                self.give_back(taken)
                raise
            return taken

    def give_back(self, taken: list[Block]) -> None:
        """End the use of blocks; those that nobody uses are freed."""
        with self.running:
            for block in taken:
                block.users -= 1
                if block.users == 0:
                    self.blocks = [other for other in self.blocks if other is not block]
                    block.memory.close()


SCRATCH = Scratch()


class Context:
    """An execution context with its shape set; `set_addresses` and `enqueue` are what a run consists of."""

    def __init__(self, engine: Engine, batch: int, stream: Stream, block: Block) -> None:
        self.engine, self.stream = engine, stream
        self.context = engine.new_context()
        profile = engine.profile_for(batch)
        self._succeeds(self.context.set_optimization_profile_async(profile, int(stream.handle)), "choosing a profile")
        stream.synchronize()
        shape = (batch, *engine.image_shape)
        self._succeeds(self.context.set_input_shape(engine.input, shape), f"setting the input shape {shape}")
        self.context.set_device_memory(block.memory.handle, block.memory.size)

    def set_addresses(self, images: int, logits: int) -> None:
        """Say where the input lies and the output goes, as device addresses."""
        self._succeeds(self.context.set_tensor_address(self.engine.input, images), "setting the input's address")
        self._succeeds(self.context.set_tensor_address(self.engine.output, logits), "setting the output's address")

    def enqueue(self) -> None:
        """Put one inference on the stream."""
        self._succeeds(self.context.execute_async_v3(int(self.stream.handle)), "execute_async_v3")

    def captured(self, work: Callable[[], None]) -> Graph:
        """What `work` enqueues on the context's stream, as a graph; TensorRT's first run must have been before."""
        return Graph(self.stream, work)

    def close(self) -> None:
        """Drop the context."""
        self.context = None

    def _succeeds(self, outcome: bool, what: str) -> None:
        self.engine.log.raise_again()
        if not outcome:
            words = self.engine.log.reason()
            if OUT_OF_MEMORY.search(words):
                raise Unavailable(message("no_memory", doing=what, words=words))
            raise RuntimeError(f"TensorRT: {what} failed: {words}")


class Engine:
    """A deserialized engine and what must live as long: its runtime, log and runtime cache."""

    def __init__(self, trt: Any, plan: bytes, log: Any, runtime_cache: bytes, host_code: bool) -> None:
        self.trt, self.log = trt, log
        self.runtime = trt.Runtime(log)
        self.runtime.engine_host_code_allowed = host_code
        self.engine = self.runtime.deserialize_cuda_engine(plan)
        log.raise_again()
        if self.engine is None:
            library = f"{trt.__name__} {trt.__version__}"
            raise Unavailable(message("library_refuses", library=library, words=log.reason()))
        names = [self.engine.get_tensor_name(i) for i in range(self.engine.num_io_tensors)]
        self.input = next(n for n in names if self.engine.get_tensor_mode(n) == trt.TensorIOMode.INPUT)
        self.output = next(n for n in names if self.engine.get_tensor_mode(n) == trt.TensorIOMode.OUTPUT)
        self.image_shape = tuple(self.engine.get_tensor_shape(self.input))[1:]
        self.classes = int(tuple(self.engine.get_tensor_shape(self.output))[-1])
        self.profiles = [self._profile(i) for i in range(self.engine.num_optimization_profiles)]
        self.config = self.engine.create_runtime_config()
        self.config.set_execution_context_allocation_strategy(trt.ExecutionContextAllocationStrategy.USER_MANAGED)
        self.cache_refused: str | None = None
        self.cache_not_given: str | None = None
        self.cache, self.cache_was_warm = self._runtime_cache(runtime_cache)

    def _profile(self, index: int) -> tuple[int, int, int]:
        low, best, high = (int(next(iter(shape))) for shape in self.engine.get_tensor_profile_shape(self.input, index))
        return low, best, high

    def _runtime_cache(self, blob: bytes) -> tuple[Any, bool]:
        """TensorRT-RTX compiles kernels when an engine is loaded; the cache keeps them. TensorRT has none."""
        if not hasattr(self.config, "create_runtime_cache"):
            return None, False
        # The kernels are to be compiled before they are timed, not behind the first runs' back.
        self.config.dynamic_shapes_kernel_specialization_strategy = (
            self.trt.DynamicShapesKernelSpecializationStrategy.EAGER
        )
        self.config.cuda_graph_strategy = self.trt.CudaGraphStrategy.DISABLED
        cache = self.config.create_runtime_cache()
        self.log.latest.clear()
        warm = bool(blob) and bool(cache.deserialize(blob))
        self.log.raise_again()
        if blob and not warm:
            self.cache_refused = f"what was kept is refused: {'; '.join(self.log.latest)}"
            self.log.dismiss()
        self.config.set_runtime_cache(cache)
        return cache, warm

    def compiled_kernels(self) -> bytes:
        """The runtime cache, serialized; empty where there is none, or TensorRT-RTX gives none."""
        if self.cache is None:
            return b""
        self.log.latest.clear()
        blob = bytes(self.cache.serialize() or b"")
        self.log.raise_again()
        self.cache_not_given = None if blob else f"nothing to keep was given: {'; '.join(self.log.latest)}"
        return blob

    @property
    def cache_problem(self) -> str | None:
        """What kept compiled kernels from being used, or from being kept, in the library's words."""
        return " / ".join(filter(None, (self.cache_refused, self.cache_not_given))) or None

    def profile_for(self, batch: int) -> int:
        """The profile whose optimum is nearest; Unavailable where the batch size lies in none."""
        fitting = [i for i, (low, _, high) in enumerate(self.profiles) if low <= batch <= high]
        if not fitting:
            ranges = ", ".join(f"{low}" if low == high else f"{low} to {high}" for low, _, high in self.profiles)
            raise Unavailable(message("no_profile", batch=batch, ranges=ranges))
        return min(fitting, key=lambda i: abs(self.profiles[i][1] - batch))

    def scratch_bytes(self, batch: int) -> int:
        """Activation memory that one context needs for the batch's profile."""
        return int(self.engine.get_device_memory_size_for_profile_v2(self.profile_for(batch)))

    def new_context(self) -> Any:
        """An execution context without memory; Unavailable, in TensorRT's words, where it cannot be made."""
        context = self.engine.create_execution_context(self.config)
        self.log.raise_again()
        if context is None:
            library = f"{self.trt.__name__} {self.trt.__version__}"
            raise Unavailable(message("library_cannot_run", library=library, words=self.log.reason()))
        return context

    def close(self) -> None:
        """Drop engine and runtime, in that order."""
        self.cache = None
        self.config = None
        self.engine = None
        self.runtime = None
