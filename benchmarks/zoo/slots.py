"""Work side by side, but for what is timed: that has the machine to itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Slots:
    """`count` pieces of work at a time; `alone` waits for all of them, and nothing begins meanwhile."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._free = threading.Semaphore(count)
        self._gate = threading.Lock()

    @contextmanager
    def beside_others(self) -> Iterator[None]:
        """One of the slots."""
        with self._gate:
            self._free.acquire()
        try:
            yield
        finally:
            self._free.release()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """All of them."""
        with self._gate:
            for _ in range(self._count):
                self._free.acquire()
        try:
            yield
        finally:
            self._free.release(self._count)
