from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from roundoff.dataset.preparing.pixels import PixelStatistics


@given(st.lists(arrays(np.uint8, (3, 2, 3)), min_size=1, max_size=8))
def test_statistics_equal_those_of_all_pixels_at_once(images):
    statistics = PixelStatistics(3)
    for image in images:
        statistics.add(image)
    pixels = np.stack(images).reshape(-1, 3).astype(np.float64)
    np.testing.assert_allclose(statistics.mean, pixels.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(statistics.standard_deviation, pixels.std(axis=0), rtol=1e-12, atol=1e-12)


def test_a_constant_channel_deviates_by_exactly_zero():
    statistics = PixelStatistics(1)
    for _ in range(7):
        statistics.add(np.full((5, 5, 1), 253, dtype=np.uint8))
    assert (statistics.mean, statistics.standard_deviation) == ([253.0], [0.0])
