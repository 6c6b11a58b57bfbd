"""Work in a process of its own, whose memory is given back when it ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from roundoff.pipeline.survival import die_with
from roundoff.system.refusal import in_words
from roundoff.system.stopping import SIGNALS, heed_silently

Result = TypeVar("Result")
# Libraries whose threads a fork would not take along
THREADED = ("jax", "tensorflow", "torch")


def apart(work: Callable[[], Result]) -> Result:
    """What `work` returns, which must go through pickle, from a process that is forked here.

    A RoundoffError of it is raised here, too; any other error as a RuntimeError that tells where it happened.
    Where a library with threads is loaded already, as by a module of the user's own, the work is done in this process.
    If a signal ends the other one, this one ends by the same signal; asked to stop, this one stops the other first.
    """
    if not sys.modules.keys().isdisjoint(THREADED):
        return work()
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(work, sender, os.getpid()))
    outcome: tuple[Any, Exception | None] | None = None
    # a fork runs callbacks, in which a signal's exit would be lost
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    process.start()
    sender.close()
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        with suppress(EOFError):  # it ended without a word
            outcome = receiver.recv()
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
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    try:
        outcome: tuple[object, Exception | None] = work(), None
    except Exception as error:  # of a class that perhaps its library alone can make
        outcome = None, in_words(error) or RuntimeError("".join(traceback.format_exception(error)))
    sender.send(outcome)


def _ended(code: int) -> SystemExit:
    """The exit with the other process's code; where a signal ended it, this one ends here by the same."""
    if code < 0:
        os.kill(os.getpid(), -code)
    return SystemExit(code or 1)
