"""What libraries print while they work, held back, and shown where they fail."""

from __future__ import annotations

import io
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TextIO

# Where what is held back goes, if a process that outlives this one shall read it; a temporary file by default.
held: IO[bytes] | None = None
SHOWN_BYTES = 4000
# Loggers of libraries that tell of their own work; `py` is that of Python's warnings.
TALKATIVE = ("absl", "h5py", "jax", "keras", "matplotlib", "onnx", "py", "tensorflow", "tf2onnx")


@contextmanager
def held_back_libraries() -> Iterator[None]:
    """Hold back what libraries log, and what their C++ code writes to file descriptor 2, which `sys.stderr` leaves.

    So a stage's own words and progress bars stay alone on the terminal. `last_words` has what was held back.
    """
    log = _log()
    sys.stderr.flush()
    former, errors = os.dup(2), sys.stderr
    os.dup2(log.fileno(), 2)
    # one more descriptor, since Python closes what it wraps
    sys.stderr = open(os.dup(former), "w", buffering=1, encoding="utf-8", errors="backslashreplace")  # noqa: PTH123, SIM115
    logging.captureWarnings(True)
    quiet = _Quiet(log)
    handlers = [handler for handler in logging.getLogger().handlers if type(handler) is logging.StreamHandler]
    before = [(handler, handler.setStream(_Current()), handler.formatter) for handler in handlers]
    for handler in handlers:
        handler.setFormatter(None)  # the line alone; a log file has the time, too
        handler.addFilter(quiet)
    try:
        yield
    finally:
        for handler, stream, formatter in before:
            handler.setStream(stream or sys.stdout)
            handler.setFormatter(formatter)
            handler.removeFilter(quiet)
        logging.captureWarnings(False)
        sys.stderr.close()
        sys.stderr = errors
        os.dup2(former, 2)
        os.close(former)


def last_words() -> str:
    """The end of what was held back, as far as it was not shown."""
    log = _log()
    size = log.seek(0, os.SEEK_END)
    log.seek(max(0, size - SHOWN_BYTES))
    return log.read().decode(errors="replace")


def forget() -> None:
    """Drop what was held back so far, which has been shown."""
    log = _log()
    log.seek(0)
    log.truncate()


class _Current(io.TextIOBase):
    """Standard output as it is while a line is written, so that progress bars know of the line."""

    def write(self, text: str) -> int:
        return sys.stdout.write(text)

    def flush(self) -> None:
        sys.stdout.flush()


class _Quiet(logging.Filter):
    """Keeps a talkative library's lines for `last_words`; lets every line of others through once."""

    def __init__(self, log: IO[bytes]) -> None:
        super().__init__()
        self.log = log
        self.said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] not in TALKATIVE:
            is_new = record.getMessage() not in self.said
            self.said.add(record.getMessage())
            return is_new
        os.write(self.log.fileno(), f"{record.name}: {record.getMessage()}\n".encode(errors="backslashreplace"))
        return False


@contextmanager
def held_back_stderr() -> Iterator[None]:
    """Drop what is written to file descriptor 2, also by C++ code; where it fails, print it first.

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
    descriptors = {each for stream in streams for each in _descriptors(stream)}
    log = _log()
    start = log.seek(0, os.SEEK_END)
    saved = {descriptor: os.dup(descriptor) for descriptor in sorted(descriptors)}
    for descriptor in descriptors:
        os.dup2(log.fileno(), descriptor)
    try:
        yield
    except Exception:  # to be stopped is no failure
        log.seek(start)
        os.write(saved[max(_descriptors(sys.stderr))], log.read())  # not 2, where that is held back as a whole
        log.seek(start)
        log.truncate()
        raise
    finally:
        for stream in streams:
            stream.flush()
        for descriptor, former in saved.items():
            os.dup2(former, descriptor)
            os.close(former)


def _descriptors(stream: TextIO) -> set[int]:
    """Where a stream writes, and where C code does that means the same."""
    usual = 1 if stream is sys.stdout else 2
    try:
        return {usual, stream.fileno()}
    except (OSError, io.UnsupportedOperation):  # a stream in memory
        return {usual}


_own: IO[bytes] | None = None


def _log() -> IO[bytes]:
    """The file that is read by a process that outlives this one, else one of this process's own."""
    global _own
    if held is not None:
        return held
    if _own is None:
        _own = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed with the process
    return _own
