"""Memory is laid out anew at each load."""

import numpy as np

from roundoff.measurement.scatter import BLOCKS, LARGEST, SMALLEST, scatter


def test_blocks_are_of_changing_size_within_bounds_and_written_to():
    random = np.random.default_rng(0)
    first, second = scatter(random), scatter(random)
    assert len(first) == BLOCKS
    assert [len(block) for block in first] != [len(block) for block in second]
    assert all(SMALLEST <= len(block) <= LARGEST and block.all() for block in (*first, *second))
