"""What libraries print while they work, held back, and shown where they fail."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TextIO

# Where what is held back goes, if a process that outlives this one shall read it; a temporary file by default.
held: IO[bytes] | None = None


@contextmanager
def held_back_stderr() -> Iterator[None]:
    """Drop what is written to file descriptor 2, also by C++ code; on an exception, print it first.

    TensorFlow's C++ libraries write some lines before their log levels are read, so no variable silences them.
    """
    with _held_back(sys.stderr):
        yield


@contextmanager
def held_back_output() -> Iterator[None]:
    """The same for both standard output, where log handlers may write, and standard error."""
    with _held_back(sys.stdout, sys.stderr):
        yield


@contextmanager
def _held_back(*streams: TextIO) -> Iterator[None]:
    for stream in streams:
        stream.flush()
    descriptors = [1 if stream is sys.stdout else 2 for stream in streams]
    log = held or tempfile.TemporaryFile()  # noqa: SIM115 - closed with its last reference
    start = log.seek(0, os.SEEK_END)
    saved = {descriptor: os.dup(descriptor) for descriptor in descriptors}
    for descriptor in descriptors:
        os.dup2(log.fileno(), descriptor)
    try:
        yield
    except BaseException:
        log.seek(start)
        os.write(saved[2], log.read())
        raise
    finally:
        for stream in streams:
            stream.flush()
        for descriptor, former in saved.items():
            os.dup2(former, descriptor)
            os.close(former)
