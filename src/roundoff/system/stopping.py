"""Being asked to stop (Ctrl-C, SIGTERM): one line says so, and what is half-written goes as everything open is undone.

It imports next to nothing, so that a stage can heed signals while it imports the rest.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SAME_S = 2.0  # a signal to the whole group arrives twice: by itself and passed on
_came: list[tuple[int, float]] = []


def heed_signals() -> None:
    """From now on a signal ends this process with 128 + its number, as shells have it.

    A signal that the process was told to ignore (Ctrl-C, for a script's job in the background) stays ignored.
    """
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def heed_silently() -> None:
    """The same in a process whose parent says it: the first signal ends it, and no other cuts that short."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop_silently)


def end_where_stopped() -> None:
    """End here where a signal came whose exit was swallowed, as callbacks do of the import system."""
    if _came:
        sys.exit(128 + _came[0][0])


def pass_on_a_stop(error: BaseException) -> None:
    """Raise it again where it is how a signal ends this process; from all other code it is a fault like any other."""
    end_where_stopped()
    if isinstance(error, KeyboardInterrupt):
        is_a_stop = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    else:  # that of a process which a signal has ended
        is_a_stop = isinstance(error, SystemExit) and isinstance(error.code, int) and error.code > 128
    if is_a_stop:
        raise error


@contextmanager
def stopping() -> Iterator[None]:
    """Where a signal came, end with its code whatever was made of it on its way, as by a C library's callback."""
    try:
        yield
    except Exception:
        end_where_stopped()
        raise


def _stop(number: int, _: FrameType | None) -> None:
    now = time.monotonic()
    if _came and now - _came[-1][1] < SAME_S:  # must not cut short what the first has begun to undo
        return
    _came.append((number, now))  # first: the second arrives while the line is written
    if len(_came) == 1:
        name = signal.Signals(number).name
        print(f"stopped by {name}: nothing half-written stays, `dvc repro` goes on from here", file=sys.stderr)
    sys.exit(128 + _came[0][0])  # an exit is no Exception: it passes whatever handles errors


def _stop_silently(number: int, _: FrameType | None) -> None:
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)
