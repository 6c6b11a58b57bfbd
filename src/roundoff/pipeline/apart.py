"""Work in a process of its own, whose memory is given back when it ends."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from roundoff.errors import RoundoffError
from roundoff.pipeline.survival import die_with
from roundoff.system.stopping import heed_silently

Result = TypeVar("Result")
# Libraries whose threads a fork would not take along
THREADED = ("jax", "tensorflow", "torch")


def apart(work: Callable[[], Result]) -> Result:
    """What `work` returns or raises, in a process that is forked here; both must go through pickle.

    Where a library with threads is loaded already, as by a module of the user's own, the work is done in this process.
    If a signal ends the other one, this one ends by the same signal; asked to stop, this one stops the other first.
    """
    if not sys.modules.keys().isdisjoint(THREADED):
        return work()
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(work, sender, os.getpid()))
    process.start()
    sender.close()
    outcome: tuple[Any, Exception | None] | None = None
    try:
        with suppress(EOFError):  # it ended without a word
            outcome = pickle.loads(receiver.recv_bytes())
    finally:
        if outcome is None:
            process.terminate()
        process.join()
    if outcome is None:
        raise _ended(process.exitcode or 0)
    result, error = outcome
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return] # what `work` returned


def _work(work: Callable[[], object], sender: Connection, parent: int) -> None:
    die_with(parent)
    heed_silently()
    try:
        outcome = pickle.dumps((work(), None))
    except Exception as error:
        outcome = _pickled(error)
    sender.send_bytes(outcome)


def _pickled(error: Exception) -> bytes:
    """The error, with where it happened unless it says so in words."""
    where = "".join(traceback.format_exception(error))
    try:
        if not isinstance(error, RoundoffError):
            error.add_note(where)
        outcome = pickle.dumps((None, error))
        pickle.loads(outcome)
    except Exception:  # of a class that only the library can make
        return pickle.dumps((None, RuntimeError(where)))
    return outcome


def _ended(code: int) -> SystemExit:
    """The exit with the other process's code; where a signal ended it, this one ends here by the same."""
    if code < 0:
        os.kill(os.getpid(), -code)
    return SystemExit(code or 1)
