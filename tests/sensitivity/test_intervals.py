import numpy as np
import pytest

from roundoff.sensitivity.intervals import clearly_larger, error_intervals, holm, ranks, resampled


def squares(means, images=400, seed=0):
    """Chi-squared values with these means, [images, versions], images being hard or easy for all versions at once."""
    random = np.random.default_rng(seed)
    hardness = random.gamma(2, 0.5, (images, 1))
    return hardness * random.chisquare(3, (images, len(means))) / 3 * np.array(means)


def test_holm_stops_at_the_first_that_stands():
    """0.01 ≤ 0.05 ÷ 4, 0.012 ≤ 0.05 ÷ 3, 0.03 > 0.05 ÷ 2: the last stands too, though 0.04 ≤ 0.05 ÷ 1."""
    assert holm(np.array([0.04, 0.01, 0.03, 0.012])).tolist() == [False, True, False, True]


def test_a_version_three_times_the_next_is_clearly_the_worst():
    found = ranks(squares([1.0, 9.0, 1.0, 0.9]))
    assert (found[1].place, found[1].low, found[1].high) == (1, 1, 1)


def test_versions_alike_may_have_any_place():
    found = ranks(squares([1.0] * 5))
    assert {(rank.low, rank.high) for rank in found} == {(1, 5)}


def test_of_versions_alike_one_is_called_worst_in_at_most_one_of_twenty_cases():
    claims = sum(any(rank.high == 1 for rank in ranks(squares([1.0] * 12, 256, seed))) for seed in range(300))
    assert claims / 300 <= 0.05


def test_any_wrong_claim_comes_in_at_most_one_of_twenty_cases():
    claims = sum(clearly_larger(squares([1.0] * 12, 256, seed)).any() for seed in range(300))
    assert claims / 300 <= 0.05


def test_versions_without_any_error_are_not_told_apart():
    assert not clearly_larger(np.zeros((50, 3))).any()


def test_a_difference_that_never_varies_is_clear():
    constant = np.tile([1.0, 2.0], (50, 1))
    assert clearly_larger(constant).tolist() == [[False, False], [True, False]]


def test_every_resample_has_as_many_images():
    draws = resampled(100, 0)
    assert (draws.sum(axis=1) == 100).all()
    assert np.array_equal(draws, resampled(100, 0))


def test_an_error_is_the_root_of_the_summed_squares():
    interval = error_intervals(np.full((64, 1), 4.0), np.full(64, 100.0), resampled(64, 0))[0]
    assert (interval.value, interval.low, interval.high) == pytest.approx((0.2, 0.2, 0.2))


@pytest.mark.slow  # simulates
def test_intervals_of_errors_cover_the_truth_in_about_19_of_20_cases():
    covered = 0
    for seed in range(200):
        found = squares([0.01], 300, seed)
        interval = error_intervals(found, np.ones(300), resampled(300, seed))[0]
        covered += interval.low <= 0.1 <= interval.high
    assert 0.90 <= covered / 200 <= 0.99
