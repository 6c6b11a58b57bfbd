"""A session on its stream, and the binding and the runner that are made of several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from roundoff.backend import cuda
from roundoff.backend.cuda import Graph, Owner, Stream, freed_on_failure
from roundoff.backend.gpu import RUNNING, GpuBinding
from roundoff.backend.gpu_runner import GpuRunner, chunk_of
from roundoff.backend.io_buffers import IoBuffers, Replay
from roundoff.backend.onnxrt_cuda.sessions import UNSYNCHRONIZED, Sessions
from roundoff.dataset.base import Images
from roundoff.results.message import message

WARM_RUNS = 3  # memory is taken, and cuDNN's algorithms are chosen, in the first


class SessionContext:
    """One batch size of a session; images and logits lie in device memory."""

    def __init__(self, session: Any, batch: int, stream: Stream) -> None:
        import onnxruntime as ort

        self.session: Any = session
        self.stream = stream
        self._binding: Any = None
        given, answer = session.get_inputs()[0], session.get_outputs()[0]
        self._given, self._answer = given.name, answer.name
        self._shapes = (batch, *given.shape[1:]), (batch, answer.shape[-1])
        self._unsynchronized = ort.RunOptions()
        self._unsynchronized.add_run_config_entry(UNSYNCHRONIZED, "1")
        self._known: dict[tuple[int, int], Any] = {}

    def set_addresses(self, images: int, logits: int) -> None:
        """Say where the input lies and the output goes, as device addresses."""
        if (images, logits) not in self._known:
            binding = self.session.io_binding()
            binding.bind_input(self._given, "cuda", 0, np.uint8, self._shapes[0], images)
            binding.bind_output(self._answer, "cuda", 0, np.float32, self._shapes[1], logits)
            self._known[images, logits] = binding
        self._binding = self._known[images, logits]

    def enqueue(self) -> None:
        """Put one inference on the stream."""
        self.session.run_with_iobinding(self._binding, self._unsynchronized)

    def close(self) -> None:
        """Let go of the session, which must end before its stream does."""
        self.session = self._binding = None
        self._known.clear()

    def captured(self, work: Callable[[], None]) -> Replay:
        """What `work` enqueues, as a graph."""
        for _ in range(WARM_RUNS):
            work()
        self.stream.synchronize()
        return Graph(self.stream, work)


class OnnxRuntimeCudaBinding(GpuBinding):
    """Each stream has a session of its own."""

    def __init__(
        self, sessions: Sequence[tuple[Any, Stream]], batches: Sequence[Images], classes: int, cuda_graphs: bool
    ) -> None:
        super().__init__(batches, cuda_graphs)
        free = cuda.free_bytes()
        with RUNNING, freed_on_failure(message("doing_batch_size", batch=self.batch_size)) as owner:
            contexts = [owner.own(SessionContext(session, self.batch_size, stream)) for session, stream in sessions]
            self._lay_out(owner, contexts, batches, classes)
        self.device_bytes = max(free - cuda.free_bytes(), self._lanes_bytes)


class OnnxRuntimeCudaRunner(GpuRunner):
    """Sessions on the first visible GPU; `infer` runs at the largest of `batch_sizes` up to 256, on the first."""

    def __init__(self, sessions: Sessions, batch_sizes: Sequence[int], streams: int, cuda_graphs: bool) -> None:
        super().__init__()
        self.device = cuda.use_first_device()
        self._make, self._streams, self._cuda_graphs = sessions, streams, cuda_graphs
        self._sessions: list[tuple[Any, Stream]] = []
        free = cuda.free_bytes()
        with RUNNING, freed_on_failure(message("doing_engine")) as owner:
            self._owner = owner
            session, stream = self._made(owner)
            self._loaded_bytes = max(0, free - cuda.free_bytes())
            self.image_shape = tuple(session.get_inputs()[0].shape[1:])
            self.classes = int(session.get_outputs()[0].shape[-1])
            chunk = chunk_of(batch_sizes)
            nothing = np.zeros((chunk, *self.image_shape), np.uint8)
            context = owner.own(SessionContext(session, chunk, stream))
            self._lane = IoBuffers(owner, context, nothing, self.classes)
            self._lane.enqueue_round_trip()
            stream.synchronize()

    def _made(self, owner: Owner) -> tuple[Any, Stream]:
        stream: Stream = owner.own(Stream())
        owner.callback(self._sessions.clear)
        self._sessions.append((self._make.made(int(stream.handle)), stream))
        return self._sessions[-1]

    def _bound(self, batches: Sequence[Images]) -> GpuBinding:
        assert self._owner is not None
        while len(self._sessions) < self._streams:
            self._made(self._owner)
        return OnnxRuntimeCudaBinding(self._sessions, batches, self.classes, self._cuda_graphs)
