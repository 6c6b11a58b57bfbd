"""The streaming histogram: exact, and the same however the stream is cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from roundoff.calibration.observing.histogram import BINS, Histogram, Summary

values = hnp.arrays(
    np.float32,
    st.integers(1, 200),
    elements=st.one_of(
        st.just(0.0), st.floats(-(2.0**99), 2.0**99, width=32, allow_subnormal=False), st.floats(-8, 8, width=32)
    ),
)


def filled(*parts: np.ndarray, stride: int = 1) -> Histogram:
    histogram = Histogram()
    for part in parts:
        histogram.add(part, stride)
    return histogram


def same(one: Histogram, other: Histogram) -> bool:
    facts = [(h.low, h.high, h.total, h.zeros, h.exponent) for h in (one, other)]
    return facts[0] == facts[1] and np.array_equal(one.counts, other.counts)


@given(values, st.lists(st.integers(0, 200)), st.integers(1, 7))
def test_any_cut_of_the_stream_gives_the_same_histogram(stream, cuts, stride):
    assert same(filled(stream, stride=stride), filled(*np.split(stream, sorted(cuts)), stride=stride))


@given(values)
def test_every_nonzero_value_is_in_the_bin_it_truncates_to(stream):
    histogram = filled(stream)
    index = np.trunc(stream[stream != 0].astype(np.float64) / histogram.width).astype(int) + BINS
    assert np.array_equal(histogram.counts, np.bincount(index, minlength=2 * BINS))
    assert histogram.zeros == np.count_nonzero(stream == 0)
    assert histogram.counts.sum() + histogram.zeros == histogram.total == stream.size


@given(hnp.arrays(np.float32, st.integers(1, 50), elements=st.floats(2**-60, 2**60, width=32)))
def test_at_least_half_of_the_bins_lie_below_the_peak(stream):
    histogram = filled(stream)
    assert BINS / 2 <= histogram.peak / histogram.width < BINS


def test_magnitudes_fold_both_sides_and_leave_zeros_out():
    histogram = filled(np.array([-1, 1, 1, 0, 0.25, -2], np.float32))
    counts = histogram.magnitudes()
    assert counts.sum() == 5
    assert counts[int(1 / histogram.width)] == 3
    assert counts[-1] == 1


def test_a_stride_samples_the_counts_but_not_the_extremes():
    histogram = Histogram()
    histogram.add(np.array([1, 9, 2, -9, 3, 0], np.float32), stride=2)
    assert (histogram.low, histogram.high, histogram.total) == (-9, 9, 3)


def test_clipped_share_counts_only_nonzero_values():
    histogram = filled(np.array([0, 0, 0, 1, 1, 1, 8], np.float32))
    assert histogram.clipped(4) == pytest.approx(0.25)
    assert histogram.clipped(8.5) == 0
    assert histogram.clipped(8) == 0


def test_a_relu6_is_not_clipped_at_its_own_peak():
    values = np.clip(np.random.default_rng(0).normal(3, 2, 10_000), 0, 6).astype(np.float32)
    assert filled(values).clipped(6) == 0
    assert filled(values).clipped(5.9) > 0.05


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(bad):
    with pytest.raises(ValueError, match="values from"):
        filled(np.array([1, bad], np.float32))


def test_summary_keeps_the_totals():
    summary = filled(np.linspace(-3, 5, 1000, dtype=np.float32)).summary(bars=8)
    assert sum(summary.bars) + summary.zeros == summary.total == 1000
    assert max(summary.bars) - min(summary.bars) <= 6


def test_summary_counts_zeros_once():
    assert filled(np.zeros(7, np.float32)).summary() == Summary([0], 7, 7)
    assert filled(np.full(7, 2, np.float32)).summary() == Summary([7], 0, 7)
