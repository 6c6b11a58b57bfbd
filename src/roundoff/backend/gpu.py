"""What engines on an NVIDIA GPU share at one batch size: buffers, CUDA graphs, and the timed modes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import numpy as np

from roundoff.backend.base import Binding, Logits, Milliseconds
from roundoff.backend.cuda import CudaError, Event, Owner, Stream, copy_to_device, copy_to_host
from roundoff.backend.io_buffers import Context, IoBuffers
from roundoff.backend.repeats import looked_again
from roundoff.dataset.base import Images
from roundoff.errors import UnsteadyError
from roundoff.results.cell import BindingInfo
from roundoff.results.message import Message, message, verbatim

EVENTS = 256
PROBES = 20
WARM_S = 0.2
RUNNING = threading.RLock()  # who runs work on a context holds it until the device has finished it: scratch is shared
LANES_AGREE = 0.01  # relative; kernels that add in no fixed order differ by their type's rounding, under it


class GpuBinding(Binding):
    """Inputs lie in pinned host memory; input i is served by lane i, and lanes share the streams in turn.

    There are at least as many lanes as streams, so that the throughput run keeps every stream busy even when all
    timed runs are to see the same input. A subclass makes the contexts, one for each stream, and calls `_lay_out`.
    """

    alone_words = "on one stream and one context, enqueued one by one,"

    def __init__(self, batches: Sequence[Images], cuda_graphs: bool) -> None:
        self.batch_size, self.inputs = len(batches[0]), len(batches)
        self._turn = self._asked = 0
        self._owner: Owner | None = None
        self.device_bytes = 0
        self.on_close: Callable[[GpuBinding], object] = lambda _: None
        self.no_graph_reason: Message | None = None if cuda_graphs else message("graphs_off")

    def _lay_out(self, owner: Owner, contexts: Sequence[Context], batches: Sequence[Images], classes: int) -> None:
        """A lane for each of the inputs, at least one for each context, all on `owner`, which `close` closes."""
        self.streams = [context.stream for context in contexts]
        count = len(contexts) * -(-self.inputs // len(contexts))
        self.lanes = [
            IoBuffers(owner, contexts[i % len(contexts)], batches[i % self.inputs], classes) for i in range(count)
        ]
        self.events: list[Event] = [owner.own(Event()) for _ in range(EVENTS + 1)]
        if self.no_graph_reason is None:
            self._capture(owner)
        else:
            self._warm_up()
        self._owner = owner

    @property
    def _lanes_bytes(self) -> int:
        return sum(lane.bytes for lane in self.lanes)

    def _capture(self, owner: Owner) -> None:
        try:
            for lane in self.lanes:
                lane.capture(owner)
        except (CudaError, RuntimeError) as error:
            if isinstance(error, CudaError) and error.is_out_of_memory:
                raise
            self.no_graph_reason = verbatim(str(error))
            for lane in self.lanes:
                lane.compute_graph = lane.round_trip_graph = None
            self._warm_up()

    def _warm_up(self) -> None:
        for lane in self.lanes:
            lane.enqueue_round_trip()
            lane.stream.synchronize()

    def device_only(self, runs: int) -> Milliseconds:
        """CUDA events around each run; runs follow each other on one stream, so none overlaps another."""
        return self._device_ms(runs, lambda lane, stream: lane.launch_compute(stream))

    def end_to_end(self, runs: int) -> Milliseconds:
        """From pinned host memory to pinned host memory, one run at a time."""
        seconds = np.empty(runs)
        with RUNNING:
            for run in range(runs):
                lane = self._next_lane()
                start = time.perf_counter()
                lane.launch_round_trip()
                lane.stream.synchronize()
                seconds[run] = time.perf_counter() - start
        return seconds * 1e3

    def stream(self, runs: int) -> float:
        """All streams at work: while one computes, others copy."""
        with RUNNING:
            start = time.perf_counter()
            for _ in range(runs):
                self._next_lane().launch_round_trip()
            for stream in self.streams:
                stream.synchronize()
            return time.perf_counter() - start

    def poison(self) -> None:
        with RUNNING:
            for lane in self.lanes:
                lane.poison()

    def outputs(self, transfers: bool) -> list[Logits]:
        """As `stream` (`device_only`) leaves them, in which all lanes take part; UnsteadyError where lanes disagree."""
        with RUNNING:
            if transfers:
                self.stream(len(self.lanes))
            else:
                self._compute_all()
        self._refuse_disagreement()
        return [lane.host_logits.array.copy() for lane in self.lanes[: self.inputs]]

    def _compute_all(self) -> None:
        if self.no_graph_reason is None:
            self.device_only(len(self.lanes))
        for lane in self.lanes:
            if self.no_graph_reason is not None:
                lane.enqueue_compute()
            copy_to_host(lane.host_logits, lane.logits, lane.stream)
            lane.stream.synchronize()

    def output(self, transfers: bool) -> Logits:
        """Of the lanes that serve the first input, each in turn."""
        self.outputs(transfers)
        serving = self.lanes[:: self.inputs]
        self._asked = (self._asked + 1) % len(serving)
        return serving[self._asked].host_logits.array.copy()

    def alone(self, runs: int) -> list[Logits]:
        """The first lane's, on its stream and context; the other streams are idle."""
        lane, outputs = self.lanes[0], list[Logits]()
        with RUNNING:
            for _ in range(runs):
                lane.enqueue_round_trip()
                lane.stream.synchronize()
                outputs.append(lane.host_logits.array.copy())
        return outputs

    def _refuse_disagreement(self) -> None:
        for index, lane in enumerate(self.lanes[self.inputs :], self.inputs):
            first = self.lanes[index % self.inputs].host_logits.array
            if np.array_equal(lane.host_logits.array, first, equal_nan=True):
                continue
            apart, norm = float(np.linalg.norm(lane.host_logits.array - first)), float(np.linalg.norm(first))
            if not apart <= LANES_AGREE * norm:
                raise self._disagreement(index, apart, norm)

    def _disagreement(self, index: int, apart: float, norm: float) -> UnsteadyError:
        """Raised by two streams; what one of them shows by itself says whose doing it is."""
        raised = UnsteadyError(
            message("lanes_differ", one=index % self.inputs, other=index),
            received=f"logits {apart:.3g} apart, of norm {norm:.3g}; {looked_again(self, LANES_AGREE)}",
            expected=f"a relative difference of at most {LANES_AGREE}",
            fix="leave this batch size or precision out, or try another version of the library",
        )
        raised.repeat_spread = apart / norm if norm > 0 and np.isfinite(apart / norm) else None
        return raised

    def info(self) -> BindingInfo:
        """How it runs, and three figures for warnings, in milliseconds: `enqueue_ms` (the host's time for one launch),
        `copy_ms` (the longer direction) and `enqueued_device_ms` (device time without the graph).

        Measured like `device_only`: at the clocks of a busy device, run after run.
        """
        self._get_warm()
        graph = self.no_graph_reason is None
        return BindingInfo(
            cuda_graph=graph,
            no_cuda_graph_reason=self.no_graph_reason,
            streams=len(self.streams),
            host_memory="pinned",
            memory_mb=self.device_bytes / 1e6,
            enqueue_ms=self._enqueue_ms(),
            copy_ms=self._copy_ms(),
            enqueued_device_ms=self._enqueued_ms() if graph else None,
        )

    def close(self) -> None:
        if self._owner is not None:
            owner, self._owner = self._owner, None
            self.on_close(self)
            with RUNNING, owner:
                for stream in self.streams:
                    stream.synchronize()
                self.lanes.clear()

    def _next_lane(self) -> IoBuffers:
        lane = self.lanes[self._turn]
        self._turn = (self._turn + 1) % len(self.lanes)
        return lane

    def _device_ms(
        self, runs: int, launch: Callable[[IoBuffers, Stream], None], graphs: bool | None = None
    ) -> Milliseconds:
        times = np.empty(runs)
        graphs = self.no_graph_reason is None if graphs is None else graphs
        with RUNNING:
            for first in range(0, runs, EVENTS):
                part = min(EVENTS, runs - first)
                times[first : first + part] = self._between_events(part, launch, graphs)
        return times

    def _between_events(self, runs: int, launch: Callable[[IoBuffers, Stream], None], graphs: bool) -> Milliseconds:
        # Without graphs a lane computes on its own context's stream: take the lanes of the first stream alone then.
        stream = self.streams[0]
        launch(self.lanes[0], stream)  # keeps the device busy while the host gets ahead of it
        self.events[0].record(stream)
        for run in range(runs):
            lane = self._next_lane() if graphs else self.lanes[(run * len(self.streams)) % len(self.lanes)]
            launch(lane, stream)
            self.events[run + 1].record(stream)
        stream.synchronize()
        return np.array([self.events[i + 1].ms_since(self.events[i]) for i in range(runs)])

    def _get_warm(self) -> None:
        end = time.perf_counter() + WARM_S
        while time.perf_counter() < end:
            self.device_only(PROBES)

    def _enqueue_ms(self) -> float:
        seconds = np.empty(PROBES)
        with RUNNING:
            for run in range(PROBES):
                lane = self._next_lane()
                start = time.perf_counter()
                lane.launch_compute(lane.stream)
                seconds[run] = time.perf_counter() - start
            for stream in self.streams:
                stream.synchronize()
        return float(np.median(seconds)) * 1e3

    def _copy_ms(self) -> float:
        inward = self._device_ms(PROBES, lambda lane, to: copy_to_device(lane.images, lane.host_images, to))
        outward = self._device_ms(PROBES, lambda lane, to: copy_to_host(lane.host_logits, lane.logits, to))
        return max(float(np.median(inward)), float(np.median(outward)))

    def _enqueued_ms(self) -> float:
        return float(np.median(self._device_ms(PROBES, lambda lane, stream: lane.enqueue_compute(), graphs=False)))
