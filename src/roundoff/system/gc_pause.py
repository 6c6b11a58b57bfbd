"""Keeping Python's garbage collector out of timed runs and of TensorRT."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """No garbage is collected inside: a collection takes milliseconds, at a moment of its own choosing.

    TensorRT logs while it holds a lock, so Python may run in the middle of its calls; were an object of an earlier
    build collected there, freeing it would wait for that same lock, forever. A CUDA graph's capture would fail.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
