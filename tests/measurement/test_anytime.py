"""Intervals that may be looked at: how often a walk ever leaves them, and what they are."""

import math

import numpy as np
import pytest
from scipy import integrate

from roundoff.measurement.anytime import (
    FEWEST_FOR_SEQUENCE,
    Paired,
    drop_sequence,
    keeps,
    log_wealth,
    median_sequence,
    relative_sequence,
    sequence_ranks,
    share_sequence,
)
from roundoff.measurement.statistics import median_interval, paired_drop, wilson
from tests.support.present import present

SEEN = Paired(both=900, regressed=20, corrected=10, agreed=960, samples=1000)


def test_the_wealth_of_a_fair_bet_is_one_on_average():
    """Over all outcomes of three images at the hypothesis, [right] - r [reference right] of mean 0."""
    ratio, both, regressed = 0.9, 0.5, 0.1
    corrected = ratio * (both + regressed) - both
    shares = (both, regressed, corrected)
    worth = 0.0
    for counts in np.ndindex(4, 4, 4):
        if (rest := 3 - sum(counts)) >= 0:
            ways = math.factorial(3) / math.prod(map(math.factorial, (*counts, rest)))
            chance = ways * math.prod(p**n for p, n in zip(shares, counts, strict=True)) * (1 - sum(shares)) ** rest
            worth += chance * math.exp(log_wealth((1 - ratio, -ratio, 1.0), counts))
    assert worth == pytest.approx(1)


@pytest.mark.slow  # simulates
def test_at_the_target_few_cells_are_ever_called_either_way():
    """2,000 test sets of 10,000 images, looked at after each 250, of a cell that keeps exactly 99 %."""
    random, wrong = np.random.default_rng(5), {True: 0, False: 0}
    regressed, corrected = (0.02 + 0.0092) / 2, (0.02 - 0.0092) / 2
    steps = random.multinomial(250, [0.92 - regressed, regressed, corrected, 0.08 - corrected], (2000, 40)).cumsum(
        axis=1
    )
    for walk in steps.tolist():
        said = (keeps(Paired(counts[0], counts[1], counts[2], 0, sum(counts)), 0.99, 0.01) for counts in walk)
        first = next((one for one in said if one is not None), None)
        if first is not None:
            wrong[first] += 1
    assert wrong[True] <= 20  # 1 %
    assert wrong[False] <= 20


@pytest.mark.parametrize("seen", [SEEN, Paired(9000, 200, 10, 9600, 10_000), Paired(500, 0, 0, 500, 512)])
def test_keeping_is_what_the_interval_says(seen):
    found = present(relative_sequence(seen, 0.01))
    assert found.low < found.value < found.high
    for ratio in np.linspace(0.95, 1.02, 29):
        expected = True if ratio < found.low else False if ratio > found.high else None
        assert keeps(seen, ratio, 0.01) is expected


def test_they_are_wider_than_intervals_of_one_look():
    fixed, found = paired_drop(20, 10, 1000), drop_sequence(SEEN, 0.025)
    assert found.low < fixed.low < found.value == fixed.value < fixed.high < found.high
    fixed, found = wilson(910, 1000), share_sequence(910, 1000, 0.025)
    assert found.low < fixed.low < found.value < fixed.high < found.high < 0.95


def test_ends_of_what_is_possible():
    assert share_sequence(0, 100, 0.025).low == 0
    assert share_sequence(100, 100, 0.025).high == 1
    assert relative_sequence(Paired(0, 0, 5, 0, 10), 0.01) is None
    assert keeps(Paired(0, 0, 0, 0, 100), 0.99, 0.01) is None


def test_counts_add_up():
    assert Paired(1800, 40, 20, 1920, 2000) == SEEN + SEEN
    assert (SEEN.correct, SEEN.reference) == (910, 920)


def test_the_first_interval_of_a_median_is_the_whole_range_of_eight_values():
    assert sequence_ranks(FEWEST_FOR_SEQUENCE - 1) is None
    assert sequence_ranks(FEWEST_FOR_SEQUENCE) == (1, 8)
    assert sequence_ranks(20) == (4, 17)
    values = np.random.default_rng(0).normal(size=20)
    found, fixed = present(median_sequence(values)), median_interval(values)
    assert (found.low, found.high) == (np.sort(values)[3], np.sort(values)[16])
    assert found.low < fixed.low < found.value < fixed.high < found.high
    assert median_sequence(values[:7]) is None


def test_the_evidence_against_a_median_is_the_flat_mixture():
    """At k of n values below, 2^n times the mean of p^k (1 - p)^(n - k) over all p is 20 or more outside the ranks."""
    low, _ = present(sequence_ranks(30))

    def evidence(below):
        return 2**30 * integrate.quad(lambda p: p**below * (1 - p) ** (30 - below), 0, 1)[0]

    assert evidence(low - 1) >= 20 > evidence(low)


def test_a_median_is_rarely_ever_left_out():
    """1,500 walks of 200 values, looked at after each."""
    below = (np.random.default_rng(7).random((1500, 200)) < 0.5).cumsum(axis=1)
    ranks = [sequence_ranks(count) or (0, count + 1) for count in range(1, 201)]
    low, high = np.array(ranks).T
    ever_out = ((below < low) | (below >= high)).any(axis=1)
    assert np.mean(ever_out) <= 0.05
