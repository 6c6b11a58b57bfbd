"""What a stage does in a library, told to the process that outlives it.

A library's machine code may end the whole process by a signal. `surviving` begins the stage again then, and the work
that was named here is refused: it fails alone, and everything else goes on.
"""

from __future__ import annotations

import mmap
import signal
from collections.abc import Iterator
from contextlib import contextmanager

SIZE = 1024  # bytes that a name may have


class EndedByLibrary(Exception):  # noqa: N818 - it names what happened
    """Refused: the same work has ended the stage's process by `signal`."""

    def __init__(self, fatal: signal.Signals) -> None:
        super().__init__(f"a library's machine code failed and ended the process by {fatal.name}")
        self.signal = fatal


class Ledger:
    """Which work goes on, in memory that a child process shares, and which has ended one: `fatal`, by its name."""

    def __init__(self) -> None:
        self.fatal: dict[str, signal.Signals] = {}
        self._shared = mmap.mmap(-1, SIZE)

    @property
    def name(self) -> str:
        """Of the work that goes on, or did when the process ended; empty: none."""
        return self._shared[:].rstrip(b"\0").decode("utf-8", "ignore")

    @name.setter
    def name(self, name: str) -> None:
        self._shared[:] = name.encode("utf-8", "replace")[:SIZE].ljust(SIZE, b"\0")


# of the process that outlives this one, if there is one
ledger: Ledger | None = None


@contextmanager
def at_work(name: str) -> Iterator[None]:
    """Names what goes on inside; EndedByLibrary where work of that name has ended this stage's process before."""
    if ledger is None:
        yield
        return
    if name in ledger.fatal:
        raise EndedByLibrary(ledger.fatal[name])
    around, ledger.name = ledger.name, name
    try:
        yield
    finally:
        ledger.name = around
