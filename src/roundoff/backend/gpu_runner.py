"""What engines on an NVIDIA GPU share once they are loaded: inference over any number of images, and bindings."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from roundoff.backend.base import Binding, Logits, Runner
from roundoff.backend.cpu import check_batches
from roundoff.backend.cuda import Owner
from roundoff.backend.gpu import RUNNING, GpuBinding
from roundoff.backend.io_buffers import IoBuffers
from roundoff.dataset.base import Images
from roundoff.errors import DataError
from roundoff.system.gc_pause import collector_paused

CHUNK = 256  # images: enough to be fast; a profile for thousands may not find the memory that it wants


class GpuRunner(Runner):
    """An engine on the first visible GPU, whose UUID is `device`.

    `infer` runs in batches of one size; the last one is filled up with zeros. A subclass sets what is declared here,
    and has everything that it takes on `_owner`.
    """

    image_shape: tuple[int, ...]
    classes: int
    _owner: Owner | None
    _lane: IoBuffers  # what `infer` runs on
    _loaded_bytes: int

    def __init__(self) -> None:
        self._bounds: list[GpuBinding] = []
        self._largest_binding = 0

    @abstractmethod
    def _bound(self, batches: Sequence[Images]) -> GpuBinding:
        """A binding to the batches, which are what the engine takes."""

    def _have_bound(self) -> None:
        """What is to be done once a binding is there."""

    def infer(self, images: Images) -> Logits:
        self._refuse_closed()
        self._refuse_other_shape(images)
        logits = np.empty((len(images), self.classes), np.float32)
        lane = self._lane
        chunk = len(lane.host_images.array)
        with RUNNING:
            for start in range(0, len(images), chunk):
                part = images[start : start + chunk]
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
            bound = self._bound(batches)
            bound.on_close = self._bounds.remove
            self._bounds.append(bound)
            self._largest_binding = max(self._largest_binding, bound.device_bytes)
            self._have_bound()
        return bound

    def memory_mb(self) -> float | None:
        """What the engine took at loading, and the largest binding so far, in MB (10^6 bytes).

        The memory that `infer` runs in is left out: a binding does not need it.
        """
        return (self._loaded_bytes + self._largest_binding) / 1e6

    def close(self) -> None:
        if self._owner is not None:
            owner, self._owner = self._owner, None
            for bound in self._bounds:
                owner.callback(bound.close)
            with RUNNING, owner:
                self._lane.stream.synchronize()

    def _refuse_closed(self) -> None:
        if self._owner is None:
            raise ValueError("the engine is closed: its memory is no longer its own")

    def _refuse_other_shape(self, images: Images) -> None:
        if images.shape[1:] != self.image_shape or images.dtype != np.uint8:
            raise DataError(
                "images are not what the engine takes",
                received=f"{images.dtype} {images.shape}",
                expected=f"uint8 (n, {', '.join(map(str, self.image_shape))})",
                fix="give the images that the model was exported for, as height, width, channels",
            )


def chunk_of(sizes: Sequence[int]) -> int:
    """The largest of an engine's fixed sizes up to 256, or the smallest where all are larger."""
    return max((size for size in sizes if size <= CHUNK), default=min(sizes))
