"""A cell's logits in a file: written as they come, by several processes if need be, and never in memory as a whole."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roundoff.system.arrays import write_head

Logits = NDArray[np.float32]
CHUNK_BYTES = 2**21


@dataclass(frozen=True)
class LogitsFile:
    """An .npy file of logits float32 [count, classes]; rows that nobody wrote are 0."""

    path: Path
    count: int

    def write(self, rows: NDArray[np.int64], logits: Logits) -> None:
        """Put logits float32 [n, classes] into the rows int64 [n], ascending; the file is made by whoever is first."""
        head, width = _head((self.count, logits.shape[1])), 4 * logits.shape[1]
        whole = np.ascontiguousarray(logits, np.float32)
        # pwrite and not a mapping: a full disk is then an error, and no signal
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            os.ftruncate(descriptor, len(head) + self.count * width)
            os.pwrite(descriptor, head, 0)
            for first, last in _runs(rows):
                _written(descriptor, whole[first:last].data.cast("B"), len(head) + int(rows[first]) * width)
        finally:
            os.close(descriptor)

    def fill(self, classes: int) -> None:
        """Make every row NaN: what no image was run for."""
        for first, last in blocks(self.count, classes):
            self.write(np.arange(first, last), np.full((last - first, classes), np.nan, np.float32))

    def read(self) -> Logits:
        """All rows, memory-mapped read-only."""
        logits: Logits = np.load(self.path, mmap_mode="r", allow_pickle=False)
        return logits


def blocks(count: int, width: int) -> list[tuple[int, int]]:
    """First and last row (exclusive) of parts of `count` rows of so many float64 values that fit into 2 MB."""
    step = max(1, CHUNK_BYTES // (8 * max(1, width)))
    return [(first, min(count, first + step)) for first in range(0, count, step)]


def _runs(rows: NDArray[np.int64]) -> list[tuple[int, int]]:
    """First and last place (exclusive) of rows that follow each other."""
    ends = [*(np.flatnonzero(np.diff(rows) != 1) + 1).tolist(), len(rows)]
    return list(zip([0, *ends[:-1]], ends, strict=True))


def _written(descriptor: int, content: memoryview, offset: int) -> None:
    while content:
        done = os.pwrite(descriptor, content, offset)
        content, offset = content[done:], offset + done


def _head(shape: tuple[int, int]) -> bytes:
    head = io.BytesIO()
    write_head(head, np.float32, shape)
    return head.getvalue()
