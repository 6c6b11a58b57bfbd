"""Being asked to stop (Ctrl-C, SIGTERM): what is half-written goes, and one line says so."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """A signal came; as an interruption it passes what handles errors, such as a backend's build."""


@contextmanager
def stopping_in_one_line() -> Iterator[None]:
    """End the process with 128 + the signal's number, as shells have it, once everything that is open is undone."""
    came: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        came.append(number)
        raise Stopped

    former = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        yield
    except BaseException:
        # whatever was made of the interruption on its way: a C library's callback may turn it into an error of its own
        if not came:
            raise
        name = signal.Signals(came[0]).name
        print(f"stopped by {name}: nothing half-written is left; `dvc repro` goes on from here", file=sys.stderr)
        sys.exit(128 + came[0])
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
