"""One input of a timed engine on a GPU, with its own buffers, and the runs that read and write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from roundoff.backend.cuda import (
    DeviceMemory,
    Owner,
    PinnedArray,
    Stream,
    copy_to_device,
    copy_to_host,
    fill_bytes,
)
from roundoff.dataset.base import Images

NAN_BYTE = 255  # a float32 of such bytes is NaN


class Replay(Protocol):
    """A captured graph of work."""

    def launch(self, stream: Any) -> None:
        """Enqueue the whole graph on any stream of the engine's kind."""

    def close(self) -> None:
        """Free it."""


class Context(Protocol):
    """What runs one batch size of an engine on one stream."""

    @property
    def stream(self) -> Stream:
        """The stream."""

    def set_addresses(self, images: int, logits: int) -> None:
        """Say where the next input lies and its output goes, as device addresses."""

    def enqueue(self) -> None:
        """Put one inference on the stream."""

    def captured(self, work: Callable[[], None]) -> Replay:
        """What `work` enqueues on the stream, as a graph; it has run there before."""


class IoBuffers:
    """One input with its own buffers, on one context: pinned host and device memory for images and logits."""

    def __init__(self, owner: Owner, context: Context, images: Images, classes: int) -> None:
        self.context, self.stream = context, context.stream
        self.host_images: PinnedArray[np.uint8] = owner.own(PinnedArray(images.shape, np.uint8))
        self.host_logits: PinnedArray[np.float32] = owner.own(PinnedArray((len(images), classes), np.float32))
        self.images: DeviceMemory = owner.own(DeviceMemory(self.host_images.array.nbytes))
        self.logits: DeviceMemory = owner.own(DeviceMemory(self.host_logits.array.nbytes))
        self.compute_graph: Replay | None = None
        self.round_trip_graph: Replay | None = None
        self.lay_in(images)

    @property
    def bytes(self) -> int:
        """Device memory of the lane's buffers."""
        return self.images.size + self.logits.size

    def lay_in(self, images: Images) -> None:
        """Put images into host and device memory."""
        self.host_images.array[...] = images
        copy_to_device(self.images, self.host_images, self.stream)
        self.stream.synchronize()

    def enqueue_compute(self) -> None:
        """One inference, from device memory to device memory."""
        self.context.set_addresses(self.images.handle, self.logits.handle)
        self.context.enqueue()

    def enqueue_round_trip(self) -> None:
        """Copy in, one inference, copy out."""
        copy_to_device(self.images, self.host_images, self.stream)
        self.enqueue_compute()
        copy_to_host(self.host_logits, self.logits, self.stream)

    def capture(self, owner: Owner) -> None:
        """Make both kinds of run launchable as a graph; what a library defers to the first run happens before."""
        self.enqueue_round_trip()
        self.stream.synchronize()
        self.compute_graph = owner.own(self.context.captured(self.enqueue_compute))
        self.round_trip_graph = owner.own(self.context.captured(self.enqueue_round_trip))

    def launch_compute(self, stream: Stream) -> None:
        """`enqueue_compute`, by its graph if there is one (then on any stream)."""
        if self.compute_graph is not None:
            self.compute_graph.launch(stream)
        else:
            self.enqueue_compute()

    def launch_round_trip(self) -> None:
        """`enqueue_round_trip` on the lane's own stream, by its graph if there is one."""
        if self.round_trip_graph is not None:
            self.round_trip_graph.launch(self.stream)
        else:
            self.enqueue_round_trip()

    def poison(self) -> None:
        """NaN into both copies of the logits."""
        fill_bytes(self.logits, NAN_BYTE, self.stream)
        self.stream.synchronize()
        self.host_logits.array.fill(np.nan)
