"""What runtimes on the host's CPU share: cores, chunks of images, and timed loops on the host's clock."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Sequence

import numpy as np

from roundoff.backend.base import Binding, Logits, Milliseconds
from roundoff.dataset.base import Images
from roundoff.errors import ConfigError, GateError
from roundoff.pipeline.limits import MOST_THREADS

CHUNK = 256  # images per call of a runtime: enough to be fast
CHUNK_PIXELS = 2**20  # of all of them: what a runtime keeps of an image of 224 × 224 on its way is tens of MB


def check_threads(threads: int | None) -> None:
    """Raise ConfigError unless `threads` is None (one per usable core) or a number that a machine may have."""
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise ConfigError(
            "no thread to run on" if threads < 1 else "too many threads",
            received=f"threads={threads}",
            expected=f"at least 1, at most {MOST_THREADS}, or null for one thread per usable core",
            fix="set threads=null",
        )


def check_batches(batches: Sequence[Images]) -> int:
    """The one size of all `batches`; raises ValueError where there is none."""
    sizes = {len(batch) for batch in batches}
    if len(sizes) != 1 or 0 in sizes:
        raise ValueError(f"a binding needs batches of one size above 0, received sizes {sorted(sizes)}")
    return sizes.pop()


def images_per_call(images: Images) -> int:
    """How many of images uint8 [n, H, W, C] a runtime is given at once: the larger they are, the fewer."""
    height, width = images.shape[1:3]
    return int(np.clip(CHUNK_PIXELS // (height * width), 1, CHUNK))


def infer_in_chunks(images: Images, classes: int, infer: Callable[[Images], Logits]) -> Logits:
    """Logits float32 [n, classes] of images uint8 [n, H, W, C], `images_per_call` of them per call of `infer`."""
    logits, size = np.empty((len(images), classes), np.float32), images_per_call(images)
    for start in range(0, len(images), size):
        part = np.ascontiguousarray(images[start : start + size])
        part_logits = np.asarray(infer(part))
        if part_logits.shape != (len(part), classes):  # or NumPy would fill up what is missing
            raise GateError(
                "the engine's answers have another shape than they should",
                received=part_logits.shape,
                expected=f"({len(part)}, {classes}): a row for each image",
                fix="export the model with one row of logits for each image of a batch",
            )
        logits[start : start + len(part)] = part_logits
    return logits


class HostBinding(Binding):
    """A binding on the CPU, which rotates over its inputs from one run to the next."""

    def __init__(self, batches: Sequence[Images]) -> None:
        self.batch_size = check_batches(batches)
        self.batches = [np.array(batch, dtype=np.uint8, order="C") for batch in batches]
        self._next = 0

    @abstractmethod
    def lay_in(self, index: int) -> None:
        """Put input `index` where the engine reads it: before a timed call, not part of it."""

    @abstractmethod
    def compute(self, index: int) -> None:
        """Run the engine on input `index`, which has been laid in: the call that `device_only` times."""

    @abstractmethod
    def answer(self, index: int) -> Logits:
        """A copy of the logits [batch, classes] that `compute` left for input `index`."""

    @abstractmethod
    def round_trip(self, index: int) -> Logits:
        """From images in NumPy to logits in NumPy: the call that `end_to_end` times."""

    def device_only(self, runs: int) -> Milliseconds:
        return self._timed(runs, self.lay_in, self.compute)

    def end_to_end(self, runs: int) -> Milliseconds:
        return self._timed(runs, lambda index: None, self.round_trip)

    def stream(self, runs: int) -> float:
        start = time.perf_counter()
        for _ in range(runs):
            self.round_trip(self._turn())
        return time.perf_counter() - start

    def outputs(self, transfers: bool) -> list[Logits]:
        return [self._result(index, transfers) for index in range(len(self.batches))]

    def output(self, transfers: bool) -> Logits:
        return self._result(0, transfers)

    def _result(self, index: int, transfers: bool) -> Logits:
        if transfers:
            return self.round_trip(index).copy()
        self.lay_in(index)
        self.compute(index)
        return self.answer(index)

    def _timed(self, runs: int, before: Callable[[int], None], call: Callable[[int], object]) -> Milliseconds:
        seconds = np.empty(runs)
        for run in range(runs):
            index = self._turn()
            before(index)
            start = time.perf_counter()
            call(index)
            seconds[run] = time.perf_counter() - start
        return seconds * 1e3

    def _turn(self) -> int:
        index = self._next
        self._next = (index + 1) % len(self.batches)
        return index
