"""A loaded TensorRT engine: inference over any number of images, and bindings for timing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from roundoff.backend.base import Binding, Logits, Runner
from roundoff.backend.cpu import check_batches
from roundoff.backend.trt import cuda
from roundoff.backend.trt.binding import TensorrtBinding
from roundoff.backend.trt.buffers import IoBuffers
from roundoff.backend.trt.context import SCRATCH, Context, Engine, freed_on_failure
from roundoff.backend.trt.cuda import Owner, Stream
from roundoff.backend.trt.inspect import decides, layers_from_inspector, refuse_false_claim, summarize
from roundoff.backend.trt.library import prune, read_cache, write_cache
from roundoff.dataset.base import Images
from roundoff.errors import DataError
from roundoff.results.build import BuildInfo, LayerTypes
from roundoff.results.message import message
from roundoff.system.gc_pause import collector_paused

KERNELS = "-runtime.cache"
CHUNK = 256  # images: enough to be fast; a profile for thousands may not find the memory that it wants


class TensorrtRunner(Runner):
    """An engine on the first visible GPU, whose UUID is `device`.

    `infer` runs in batches of a profile's optimum; the last one is filled up with zeros.
    `cache_file` keeps the kernels that TensorRT-RTX compiles at load. `build` is what the build wrote: the claimed
    types and the multiply-adds of the graph's nodes.
    """

    def __init__(
        self,
        trt: Any,
        plan: bytes,
        log: Any,
        build: BuildInfo,
        cache_file: Path,
        streams: int,
        cuda_graphs: bool,
    ) -> None:
        self.device = cuda.use_first_device()
        self._build, self.cache_file = build, cache_file
        self._streams, self._cuda_graphs = streams, cuda_graphs
        self._bounds: list[TensorrtBinding] = []
        self._largest_binding = 0
        free = cuda.free_bytes()
        self._kept = read_cache(cache_file)
        with SCRATCH.running, freed_on_failure(message("doing_engine")) as owner:
            self._owner: Owner | None = owner
            self._engine: Engine = owner.own(Engine(trt, plan, log, self._kept, bool(build.version_compatible)))
            self._chunk = _chunk([best for _, best, _ in self._engine.profiles])
            self._lane, of_the_lane = self._inference_lane(owner)
            self._loaded_bytes = max(0, free - cuda.free_bytes() - of_the_lane)
            # where the build could tell, loading need not take the time to look again
            if not decides(build.layer_types):
                self.layer_types()
            if not self._engine.cache_was_warm:
                self._replace_kernels()

    def _inference_lane(self, owner: Owner) -> tuple[IoBuffers, int]:
        """What `infer` runs on, and the device memory that was taken for its buffers and scratch."""
        (block,) = SCRATCH.take(self._engine.scratch_bytes(self._chunk), 1)
        owner.callback(SCRATCH.give_back, [block])
        taken = block.memory.size if block.users == 1 else 0
        stream = owner.own(Stream())
        context = owner.own(Context(self._engine, self._chunk, stream, block))
        nothing = np.zeros((self._chunk, *self._engine.image_shape), np.uint8)
        lane = IoBuffers(owner, context, nothing, self._engine.classes)
        lane.enqueue_round_trip()
        stream.synchronize()
        return lane, taken + lane.bytes

    def infer(self, images: Images) -> Logits:
        self._refuse_closed()
        self._refuse_other_shape(images)
        logits = np.empty((len(images), self._engine.classes), np.float32)
        lane = self._lane
        with SCRATCH.running:
            for start in range(0, len(images), self._chunk):
                part = images[start : start + self._chunk]
                lane.host_images.array[: len(part)] = part
                lane.host_images.array[len(part) :] = 0
                lane.enqueue_round_trip()
                lane.stream.synchronize()
                logits[start : start + len(part)] = lane.host_logits.array[: len(part)]
        return logits

    def bind(self, batches: Sequence[Images]) -> Binding:
        self._refuse_closed()
        check_batches(batches)
        for batch in batches:
            self._refuse_other_shape(batch)
        with collector_paused():
            bound = TensorrtBinding(self._engine, batches, self._streams, self._cuda_graphs, self._bounds.remove)
            self._bounds.append(bound)
            self._largest_binding = max(self._largest_binding, bound.device_bytes)
            self._keep_kernels()
        return bound

    def memory_mb(self) -> float | None:
        """What the engine and its kernels took at loading, and the largest binding so far, in MB (10^6 bytes).

        The memory that `infer` runs in is left out: a binding does not need it.
        """
        return (self._loaded_bytes + self._largest_binding) / 1e6

    def layer_types(self) -> LayerTypes | None:
        """What the inspector tells of the loaded engine: see trt_inspect.summarize; None if it tells nothing.

        Raises GateError where that is not what the build claims.
        """
        information = self.inspection()
        layers = layers_from_inspector(information) if information else []
        claimed = (self._build.weights or "", self._build.activations or "")
        refuse_false_claim(claimed, layers, unknown_counts=decides(self._build.layer_types))
        return summarize(layers, self._build.multiplications or {}) if layers else None

    def inspection(self) -> str:
        """The engine inspector's JSON text, as TensorRT gives it; empty where the library has no inspector."""
        self._refuse_closed()
        trt = self._engine.trt
        inspector = self._engine.engine.create_engine_inspector()
        if inspector is None or not hasattr(trt, "LayerInformationFormat"):
            return ""
        inspector.execution_context = self._lane.context.context
        return str(inspector.get_engine_information(trt.LayerInformationFormat.JSON))

    @property
    def cache_was_warm(self) -> bool:
        """Whether the kernels that TensorRT-RTX compiles at load were in the cache."""
        return self._engine.cache_was_warm

    def close(self) -> None:
        if self._owner is not None:
            owner, self._owner = self._owner, None
            for bound in self._bounds:
                owner.callback(bound.close)
            with SCRATCH.running, owner:
                self._lane.stream.synchronize()

    def _refuse_closed(self) -> None:
        if self._owner is None:
            raise ValueError("the engine is closed: its memory is no longer its own")

    def _refuse_other_shape(self, images: Images) -> None:
        if images.shape[1:] != self._engine.image_shape or images.dtype != np.uint8:
            raise DataError(
                "images are not what the engine takes",
                received=f"{images.dtype} {images.shape}",
                expected=f"uint8 (n, {', '.join(map(str, self._engine.image_shape))})",
                fix="give the images that the model was exported for, as height, width, channels",
            )

    def _replace_kernels(self) -> None:
        """Keep what was compiled; kernels that were refused go in any case."""
        with suppress(OSError):
            self.cache_file.unlink(missing_ok=True)
        self._kept = b""
        self._keep_kernels()

    def _keep_kernels(self) -> None:
        compiled = self._engine.compiled_kernels()
        if compiled and compiled != self._kept:
            self._kept = compiled
            write_cache(self.cache_file, compiled)
            prune(self.cache_file.parent, f"*{KERNELS}")


def _chunk(optima: Sequence[int]) -> int:
    return max((size for size in optima if size <= CHUNK), default=min(optima))
