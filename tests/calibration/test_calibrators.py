"""The methods: each against its definition, computed the slow way."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roundoff.calibration.best import Best
from roundoff.calibration.entropy import LEVELS, Entropy, divergences
from roundoff.calibration.minmax import MinMax
from roundoff.calibration.mse import MeanSquaredError, squared_error
from roundoff.calibration.observing.grid_error import GridError
from roundoff.calibration.observing.histogram import Histogram
from roundoff.calibration.percentile import Percentile
from roundoff.errors import ConfigError
from roundoff.graph.grid import fake_quantize

METHODS = [MinMax(), Percentile(), Entropy(), MeanSquaredError(), Best()]


def histogram_of(values) -> Histogram:
    histogram = Histogram()
    histogram.add(np.asarray(values, np.float32))
    return histogram


def laplace(seed: int = 0, count: int = 50_000) -> np.ndarray:
    return np.random.default_rng(seed).laplace(size=count).astype(np.float32)


def naive_divergence(counts: np.ndarray, end: int) -> float:
    """KL(P || Q), bin by bin."""
    p = counts[:end].astype(float)
    p[-1] += counts[end:].sum()
    q = np.zeros(end)
    edges = [0, *(int(np.rint(end * (level + 0.5) / (LEVELS - 1))) for level in range(LEVELS - 1)), end]
    edges[-1:] = [end - 1, end] if end == len(counts) else [end]
    for first, last in itertools.pairwise(edges):
        occupied = p[first:last] > 0
        q[first:last][occupied] = counts[first:last].sum() / max(occupied.sum(), 1)
    if ((p > 0) & (q == 0)).any() or (counts[:end].any() and counts[end:].any() and not counts[: edges[-2]].any()):
        return float("inf")
    p, q = p / p.sum(), q / q.sum()
    return float(np.sum(p[p > 0] * np.log(p[p > 0] / q[p > 0])))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(LEVELS, 900), st.floats(0.0, 0.9))
def test_divergence_from_prefix_sums_equals_the_sum_over_bins(seed, end, emptiness):
    random = np.random.default_rng(seed)
    counts = random.integers(0, 50, 900) * (random.random(900) >= emptiness)
    counts[-1] = 500
    found = divergences(counts, np.array([end, len(counts)]))
    assert found == pytest.approx([naive_divergence(counts, end), naive_divergence(counts, len(counts))], abs=1e-9)


def test_entropy_gives_up_no_value_of_few():
    """300 values among 30,000 zeros: the largest is a value like the others."""
    values = np.zeros(30_000)
    values[::100] = np.random.default_rng(0).standard_t(2, 300)
    seen = histogram_of(values)
    thresholds = np.array([method.threshold(seen) for method in (Entropy(), MeanSquaredError())])
    told, best = GridError(seen).symmetric(thresholds)
    assert told <= 2 * best


def test_entropy_clips_a_far_outlier_and_not_a_uniform_range():
    far = np.append(laplace(), 200)
    assert Entropy().threshold(histogram_of(far)) < 50
    uniform = np.random.default_rng(0).uniform(0, 3, 200_000)
    assert Entropy().threshold(histogram_of(uniform)) > 2.9


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.floats(1 / 16, 0.999), st.floats(-3, 3), st.sampled_from([200, 2_000, 50_000]))
def test_entropy_keeps_tensors_that_lie_far_from_zero(seed, low, exponent, count):
    high = 10.0**exponent
    seen = histogram_of(np.random.default_rng(seed).uniform(low * high, high, count))
    assert seen.clipped(Entropy().threshold(seen)) < 0.2


def test_entropy_keeps_a_sigmoid_and_a_mean():
    normal = np.random.default_rng(0).normal(size=50_000)
    for values in (1 / (1 + np.exp(-normal)), 3 + normal / 2):
        seen = histogram_of(values)
        assert seen.clipped(Entropy().threshold(seen)) < 0.01


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_tensor_of_which_only_zeros_were_counted_keeps_its_peak(method):
    values = np.zeros(1000, np.float32)
    values[1] = 6
    seen = Histogram()
    seen.add(values, stride=3)
    assert seen.zeros == seen.total
    assert method.threshold(seen) == 6


def test_percentile_is_at_least_one_bin_wide():
    values = np.zeros(100_000, np.float32)
    values[:3] = 1, 2, 6
    seen = histogram_of(values)
    assert Percentile(percentile=99.9).threshold(seen) == seen.width


def test_mse_keeps_the_largest_of_equally_good_thresholds():
    seen = Histogram()
    seen.add(np.array([0, 5, 0], np.float32), stride=2)
    assert MeanSquaredError().threshold(seen) == 5


def test_values_piled_up_at_the_peak_cost_nothing_unless_they_are_clipped():
    saturated = np.full(3000, 7)
    saturated[-1] = 9_000
    kept, clipped = divergences(saturated, np.array([3000, 2900]))
    assert kept == pytest.approx(0, abs=1e-12)
    assert clipped > 1


def test_entropy_does_not_depend_on_how_many_exact_zeros_there_are():
    values = np.abs(laplace())
    with_zeros = np.concatenate([values, np.zeros(10 * values.size, np.float32)])
    assert Entropy().threshold(histogram_of(values)) == Entropy().threshold(histogram_of(with_zeros))


def test_percentile_leaves_the_stated_share_below():
    values = laplace()
    threshold = Percentile(percentile=99.0).threshold(histogram_of(values))
    assert np.mean(np.abs(values) <= threshold) == pytest.approx(0.99, abs=0.001)
    assert Percentile(percentile=100).threshold(histogram_of(values)) == np.abs(values).max()


def test_all_of_the_values_reach_to_the_peak_though_rare_ones_were_not_counted():
    values = np.ones(1000, np.float32)
    values[1] = 100
    seen = Histogram()
    seen.add(values, stride=2)
    assert Percentile(percentile=100).threshold(seen) == 100


def test_mse_is_as_good_as_a_search_over_the_values_themselves():
    values = laplace()
    found = MeanSquaredError().threshold(histogram_of(values))

    def error(threshold: float) -> float:
        return float(np.square(values - fake_quantize(values, np.float32(threshold / 127))).mean())

    best = min(error(t) for t in np.linspace(1, np.abs(values).max(), 200))
    assert error(found) <= 1.01 * best
    assert squared_error(histogram_of(values), found) / values.size == pytest.approx(error(found), rel=0.02)


def test_best_is_not_worse_than_any_method_on_the_held_out_images():
    seen, held_out = histogram_of(laplace(1)), histogram_of(laplace(2))
    threshold, method = Best().choose(seen, held_out)
    others = [other.threshold(seen) for other in METHODS[:4]]
    assert squared_error(held_out, threshold) == min(squared_error(held_out, other) for other in others)
    assert method in {"minmax", "percentile", "entropy", "mse"}


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), sided=st.booleans())
def test_threshold_is_positive_and_at_most_the_peak(method, seed, sided):
    values = laplace(seed, 500)
    seen = histogram_of(np.maximum(values, 0) if sided else values)
    assert 0 < method.threshold(seen) <= seen.peak


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_tensor_of_zeros_has_threshold_zero(method):
    assert method.threshold(histogram_of(np.zeros(100))) == 0


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_constant_tensor_keeps_its_value(method):
    assert method.threshold(histogram_of(np.full(100, 2.5))) == pytest.approx(2.5, rel=0.02)


@pytest.mark.parametrize(
    ("method", "settings", "key"),
    [
        (MinMax, {"images": 0}, "images"),
        (MinMax, {"batch_size": -1}, "batch_size"),
        (MinMax, {"held_out": 0}, "held_out"),
        (MinMax, {"max_clipped_percent": 0}, "max_clipped_percent"),
        (Percentile, {"percentile": 101}, "percentile"),
        (Entropy, {"candidates": 1}, "candidates"),
        (MeanSquaredError, {"candidates": 0}, "candidates"),
        (Best, {"percentile": 0}, "percentile"),
    ],
)
def test_values_out_of_range_are_refused_by_name(method, settings, key):
    with pytest.raises(ConfigError, match=f"calibrate.{key} is out of range"):
        method(**settings)
