"""A compiled network on a stream, its CUDA graphs, and the binding and the runner that are made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch

from roundoff.backend import cuda
from roundoff.backend.cuda import Stream, freed_on_failure
from roundoff.backend.gpu import RUNNING, GpuBinding
from roundoff.backend.gpu_runner import GpuRunner, chunk_of
from roundoff.backend.io_buffers import IoBuffers, Replay
from roundoff.backend.torch_compile.compiled import Compiled
from roundoff.dataset.base import Images
from roundoff.results.build import BuildInfo, LayerTypes
from roundoff.results.message import message

WARM_RUNS = 3  # the first compiles, or times cuDNN's algorithms


class TorchStream(Stream):
    """One of PyTorch's own streams: cuBLAS keeps memory for each stream that it ever ran on, so they are used again."""

    def __init__(self) -> None:
        self.torch = torch.cuda.Stream()
        self.handle = self.torch.cuda_stream

    def close(self) -> None:
        """PyTorch keeps it."""

    def synchronize(self) -> None:
        """Wait until the queue is empty."""
        self.torch.synchronize()


_STREAMS: list[TorchStream] = []


def streams(count: int) -> list[TorchStream]:
    """Different streams, the same ones at each call."""
    while len(_STREAMS) < count:
        _STREAMS.append(TorchStream())
    return _STREAMS[:count]


class TorchGraph:
    """What was captured on a stream; its memory lies in `pool`, which graphs of one stream share."""

    def __init__(self, stream: TorchStream, work: Callable[[], None], pool: Any) -> None:
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.stream(stream.torch):
            self.graph.capture_begin(pool=pool, capture_error_mode="thread_local")
            try:
                work()
            except BaseException:
                with suppress(RuntimeError):  # the stream must leave capture mode; what broke first is to be told
                    self.graph.capture_end()
                raise
            self.graph.capture_end()

    def launch(self, stream: Any) -> None:
        """Enqueue the whole graph on any of PyTorch's streams."""
        with torch.cuda.stream(stream.torch):
            self.graph.replay()

    def close(self) -> None:
        """Give its memory back to the pool."""
        self.graph.reset()


class DeviceArray:
    """Device memory as PyTorch takes it over."""

    def __init__(self, address: int, shape: tuple[int, ...], kind: str) -> None:
        self.__cuda_array_interface__ = {"data": (address, False), "shape": shape, "typestr": kind, "version": 3}


def tensor_at(address: int, shape: tuple[int, ...], kind: str) -> torch.Tensor:
    """The tensor in device memory at an address; `kind` is NumPy's word for its type, such as "|u1"."""
    return torch.as_tensor(DeviceArray(address, shape, kind), device="cuda")


def reserved_bytes() -> int:
    """Device memory that PyTorch holds and uses."""
    torch.cuda.empty_cache()
    return int(torch.cuda.memory_reserved())


class TorchContext:
    """One batch size of a network on one stream."""

    def __init__(self, compiled: Compiled, batch: int, stream: TorchStream, pool: Any) -> None:
        self.compiled, self.batch, self.pool = compiled, batch, pool
        self.stream = stream
        self._known: dict[tuple[int, int], tuple[torch.Tensor, torch.Tensor]] = {}

    def set_addresses(self, images: int, logits: int) -> None:
        """Say where the input lies and the output goes, as device addresses."""
        if (images, logits) not in self._known:
            taken = tensor_at(images, (self.batch, *self.compiled.image_shape), "|u1")
            given = tensor_at(logits, (self.batch, self.compiled.classes), "<f4")
            self._known[images, logits] = taken, given
        self._images, self._logits = self._known[images, logits]

    def enqueue(self) -> None:
        """Put one inference on the stream."""
        with torch.cuda.stream(self.stream.torch):
            self._logits.copy_(self.compiled.logits(self._images))

    def captured(self, work: Callable[[], None]) -> Replay:
        """What `work` enqueues, as a graph."""
        for _ in range(WARM_RUNS):
            work()
        self.stream.synchronize()
        return TorchGraph(self.stream, work, self.pool)


class TorchBinding(GpuBinding):
    """All streams run the same code on the same weights, each in memory of its own."""

    def __init__(self, compiled: Compiled, batches: Sequence[Images], count: int, cuda_graphs: bool) -> None:
        super().__init__(batches, cuda_graphs)
        before = reserved_bytes()
        with RUNNING, freed_on_failure(message("doing_batch_size", batch=self.batch_size)) as owner:
            owner.callback(torch.cuda.empty_cache)
            contexts = [
                TorchContext(compiled, self.batch_size, stream, torch.cuda.graph_pool_handle())
                for stream in streams(count)
            ]
            self._lay_out(owner, contexts, batches, compiled.classes)
        self.device_bytes = max(0, reserved_bytes() - before) + self._lanes_bytes


class TorchRunner(GpuRunner):
    """A compiled network on the first visible GPU; `infer` runs at the largest of `batch_sizes` up to 256."""

    def __init__(
        self, compiled: Compiled, batch_sizes: Sequence[int], build: BuildInfo, count: int, cuda_graphs: bool
    ) -> None:
        super().__init__()
        self.device = cuda.use_first_device()
        self._compiled, self._build, self._count, self._cuda_graphs = compiled, build, count, cuda_graphs
        self.image_shape, self.classes = compiled.image_shape, compiled.classes
        self._loaded_bytes = compiled.weight_bytes
        with RUNNING, freed_on_failure(message("doing_engine")) as owner:
            self._owner = owner
            owner.callback(torch.cuda.empty_cache)
            owner.own(compiled)
            chunk = chunk_of(batch_sizes)
            context = TorchContext(compiled, chunk, streams(1)[0], None)
            nothing = np.zeros((chunk, *self.image_shape), np.uint8)
            self._lane = IoBuffers(owner, context, nothing, self.classes)
            self._lane.enqueue_round_trip()
            context.stream.synchronize()

    def _bound(self, batches: Sequence[Images]) -> GpuBinding:
        return TorchBinding(self._compiled, batches, self._count, self._cuda_graphs)

    def layer_types(self) -> LayerTypes:
        """As PyTorch's own tensors told when it was built: the graph is the same."""
        return LayerTypes(layer_types=self._build.layer_types)
