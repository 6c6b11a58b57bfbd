"""A TensorRT engine at one batch size, its contexts and their scratch memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from roundoff.backend.cuda import Stream, freed_on_failure
from roundoff.backend.gpu import RUNNING, GpuBinding
from roundoff.backend.trt.context import SCRATCH, Context, Engine
from roundoff.dataset.base import Images
from roundoff.results.cell import BindingInfo
from roundoff.results.message import message


class TensorrtBinding(GpuBinding):
    """Each of `streams` streams has an execution context of its own."""

    def __init__(self, engine: Engine, batches: Sequence[Images], streams: int, cuda_graphs: bool) -> None:
        super().__init__(batches, cuda_graphs)
        self.engine = engine
        scratch = engine.scratch_bytes(self.batch_size)
        with RUNNING, freed_on_failure(message("doing_batch_size", batch=self.batch_size)) as owner:
            blocks = SCRATCH.take(scratch, streams)
            owner.callback(SCRATCH.give_back, blocks)
            contexts = [owner.own(Context(engine, self.batch_size, owner.own(Stream()), block)) for block in blocks]
            self._lay_out(owner, contexts, batches, engine.classes)
        self.device_bytes = scratch * streams + self._lanes_bytes

    def info(self) -> BindingInfo:
        """With the profile and the runtime cache."""
        return replace(
            super().info(),
            profile=list(self.engine.profiles[self.engine.profile_for(self.batch_size)]),
            runtime_cache_warm=self.engine.cache_was_warm,
            runtime_cache_problem=self.engine.cache_problem,
        )
