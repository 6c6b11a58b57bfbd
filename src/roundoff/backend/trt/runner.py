"""A loaded TensorRT engine: inference over any number of images, and bindings for timing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from roundoff.backend import cuda
from roundoff.backend.cpu import check_batches
from roundoff.backend.cuda import Owner, Stream, freed_on_failure
from roundoff.backend.gpu import RUNNING, GpuBinding
from roundoff.backend.gpu_runner import GpuRunner, chunk_of
from roundoff.backend.io_buffers import IoBuffers
from roundoff.backend.trt.binding import TensorrtBinding
from roundoff.backend.trt.context import SCRATCH, Context, Engine
from roundoff.backend.trt.inspect import decides, layers_from_inspector, refuse_false_claim, summarize
from roundoff.backend.trt.library import prune, read_cache, write_cache
from roundoff.backend.trt.profiling import EngineTimer, named_layers
from roundoff.dataset.base import Images
from roundoff.results.build import BuildInfo, LayerTypes
from roundoff.results.message import message

KERNELS = "-runtime.cache"


class TensorrtRunner(GpuRunner):
    """A TensorRT engine; `infer` runs in batches of a profile's optimum.

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
        super().__init__()
        self.device = cuda.use_first_device()
        self._build, self.cache_file = build, cache_file
        self._streams, self._cuda_graphs = streams, cuda_graphs
        free = cuda.free_bytes()
        self._kept = read_cache(cache_file)
        with RUNNING, freed_on_failure(message("doing_engine")) as owner:
            self._owner = owner
            self._engine: Engine = owner.own(Engine(trt, plan, log, self._kept, bool(build.version_compatible)))
            self.image_shape, self.classes = self._engine.image_shape, self._engine.classes
            self._chunk = chunk_of([best for _, best, _ in self._engine.profiles])
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
        self._context: Context = owner.own(Context(self._engine, self._chunk, stream, block))
        nothing = np.zeros((self._chunk, *self._engine.image_shape), np.uint8)
        lane = IoBuffers(owner, self._context, nothing, self._engine.classes)
        lane.enqueue_round_trip()
        stream.synchronize()
        return lane, taken + lane.bytes

    def _bound(self, batches: Sequence[Images]) -> GpuBinding:
        return TensorrtBinding(self._engine, batches, self._streams, self._cuda_graphs)

    def _have_bound(self) -> None:
        self._keep_kernels()

    def layer_types(self) -> LayerTypes | None:
        """What the inspector tells of the loaded engine: see trt_inspect.summarize; None if it tells nothing.

        Raises GateError where that is not what the build claims.
        """
        information = self.inspection()
        layers = layers_from_inspector(information) if information else []
        claimed = (self._build.weights or "", self._build.activations or "")
        refuse_false_claim(claimed, layers, unknown_counts=decides(self._build.layer_types))
        return summarize(layers, self._build.multiplications or {}) if layers else None

    def layer_timer(self, batches: Sequence[Images], graph: Path) -> EngineTimer:
        """Runs of the batches in which TensorRT times each layer; `graph` is what the engine was built from.

        The runner is closed with it.
        """
        self._refuse_closed()
        size = check_batches(batches)
        with RUNNING, freed_on_failure(message("doing_batch_size", batch=size)) as owner:
            (block,) = SCRATCH.take(self._engine.scratch_bytes(size), 1)
            owner.callback(SCRATCH.give_back, [block])
            context = owner.own(Context(self._engine, size, owner.own(Stream()), block))
            lanes = [IoBuffers(owner, context, images, self._engine.classes) for images in batches]
            information = self.inspection()
            layers = layers_from_inspector(information) if information else []
            return EngineTimer(self, owner, context, lanes, named_layers(layers, graph))

    def inspection(self) -> str:
        """The engine inspector's JSON text, as TensorRT gives it; empty where the library has no inspector."""
        self._refuse_closed()
        trt = self._engine.trt
        inspector = self._engine.engine.create_engine_inspector()
        if inspector is None or not hasattr(trt, "LayerInformationFormat"):
            return ""
        inspector.execution_context = self._context.context
        return str(inspector.get_engine_information(trt.LayerInformationFormat.JSON))

    @property
    def cache_was_warm(self) -> bool:
        """Whether the kernels that TensorRT-RTX compiles at load were in the cache."""
        return self._engine.cache_was_warm

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
