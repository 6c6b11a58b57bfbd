"""Blocks of random size, taken before an engine is loaded, so that its memory lies elsewhere than at the last load.

An allocator gives a process the same places again and again, and where memory lies changes an engine's speed: what is
to be noise between loads would else stay with an engine for a whole run, where no interval over loads can see it
(Mytkowicz et al., "Producing Wrong Data Without Doing Anything Obviously Wrong", 2009; Curtsinger and Berger,
"STABILIZER", 2013). Blocks alone do not do in a process that has freed much: an allocator that keeps what was freed
gives it out again, the same pages of the machine's memory with it.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

BLOCKS = 28
SMALLEST, LARGEST = 2**8, 2**21


def scatter(random: np.random.Generator) -> list[NDArray[np.uint8]]:
    """BLOCKS arrays of SMALLEST to LARGEST bytes, the logarithm uniform, written to; held as long as the engine is.

    What is free before goes back to the system: see `give_back_free_memory`.
    """
    give_back_free_memory()
    return [np.ones(size, np.uint8) for size in block_sizes(random, BLOCKS, SMALLEST, LARGEST)]


def block_sizes(random: np.random.Generator, count: int, smallest: int, largest: int) -> NDArray[np.int64]:
    """Random numbers of bytes, their logarithm uniform, int64 [count]."""
    return np.exp(random.uniform(np.log(smallest), np.log(largest), count)).astype(np.int64)


def give_back_free_memory() -> None:
    """Return to the system what the allocator keeps of freed memory; nothing happens where it is not glibc's."""
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
