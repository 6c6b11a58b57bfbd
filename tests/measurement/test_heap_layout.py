"""Memory is laid out anew at each load."""

import platform

import numpy as np
import psutil
import pytest

from roundoff.measurement import heap_layout as measurement_scatter
from roundoff.measurement.heap_layout import BLOCKS, LARGEST, SMALLEST, give_back_free_memory, scatter


def test_blocks_are_of_changing_size_within_bounds_and_written_to():
    random = np.random.default_rng(0)
    first, second = scatter(random), scatter(random)
    assert len(first) == BLOCKS
    assert [len(block) for block in first] != [len(block) for block in second]
    assert all(SMALLEST <= len(block) <= LARGEST and block.all() for block in (*first, *second))


def test_what_is_free_is_given_back_before_blocks_are_taken(monkeypatch):
    given_back = []
    monkeypatch.setattr(measurement_scatter, "give_back_free_memory", lambda: given_back.append(True))
    scatter(np.random.default_rng(0))
    assert given_back == [True]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library keeps its free memory as it likes")
def test_freed_memory_goes_back_to_the_system():
    process = psutil.Process()
    blocks = [np.ones(60_000, np.uint8) for _ in range(1000)]
    kept = blocks[::2]  # between holes, which the allocator would keep
    del blocks
    held = process.memory_info().rss
    give_back_free_memory()
    assert held - process.memory_info().rss > 10e6
    assert len(kept) == 500
