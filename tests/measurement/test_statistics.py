"""Intervals and tests against their definitions, against other implementations, and for coverage."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from roundoff.measurement import statistics as s
from tests.support.present import present

COUNTS = st.tuples(*[st.integers(0, 400)] * 4).filter(lambda counts: sum(counts) > 0)


@given(st.integers(1, 5000), st.data())
def test_wilson_is_statsmodels(trials, data):
    successes = data.draw(st.integers(0, trials))
    found = s.wilson(successes, trials)
    assert (found.low, found.high) == pytest.approx(proportion_confint(successes, trials, method="wilson"), abs=1e-9)
    assert found is not None
    assert 0 <= found.low <= found.value <= found.high <= 1


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_is_statsmodels_and_symmetric(regressed, corrected):
    assume(regressed + corrected > 0)
    expected = mcnemar([[0, regressed], [corrected, 0]], exact=True).pvalue
    assert s.mcnemar_exact(regressed, corrected) == pytest.approx(min(expected, 1.0), abs=1e-9)
    assert s.mcnemar_exact(regressed, corrected) == pytest.approx(s.mcnemar_exact(corrected, regressed))


def test_mcnemar_without_flips_sees_no_difference():
    assert s.mcnemar_exact(0, 0) == 1.0


@given(COUNTS)
def test_the_drop_lies_in_its_interval_which_mirrors(counts):
    _, regressed, corrected, _ = counts
    samples = sum(counts)
    found, mirrored = s.paired_drop(regressed, corrected, samples), s.paired_drop(corrected, regressed, samples)
    assert -1 <= found.low <= found.value == (regressed - corrected) / samples <= found.high <= 1
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low), abs=1e-9)


def score_by_numerical_likelihood(counts, drop):
    """Tango's statistic, its nuisance share found by maximising the likelihood numerically."""
    regressed, corrected, samples = counts

    def minus_log_likelihood(share):
        other = share + drop
        rest = 1 - share - other
        return -(
            regressed * math.log(other)
            + corrected * math.log(share)
            + (samples - regressed - corrected) * math.log(rest)
        )

    low, high = max(0, -drop) + 1e-12, (1 - drop) / 2 - 1e-12
    share = optimize.minimize_scalar(
        minus_log_likelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-14}
    ).x
    return (regressed - corrected - samples * drop) / math.sqrt(samples * (2 * share + drop * (1 - drop)))


@pytest.mark.parametrize("counts", [(12, 5, 400), (30, 31, 1000), (1, 9, 100), (3, 0, 50)])
def test_the_ends_of_the_drop_are_where_the_score_statistic_is_1_96(counts):
    regressed, corrected, samples = counts
    found = s.paired_drop(regressed, corrected, samples)
    if corrected:
        assert score_by_numerical_likelihood(counts, found.low) == pytest.approx(1.95996, abs=1e-3)
        assert score_by_numerical_likelihood(counts, found.high) == pytest.approx(-1.95996, abs=1e-3)
    else:
        assert found.low < 3 / 50 < found.high


def test_without_flips_the_drop_is_bounded_by_the_number_of_samples():
    found = s.paired_drop(0, 0, 360)
    assert found.high == pytest.approx(s.Z**2 / (360 + s.Z**2))
    assert found.low == -found.high


@given(COUNTS)
def test_the_kept_share_lies_in_its_interval_and_ignores_samples_wrong_under_both(counts):
    both, regressed, corrected, _ = counts
    found = s.paired_kept(both, regressed, corrected, sum(counts))
    if both + regressed == 0:
        assert found is None
        return
    assert found is not None
    assert 0 <= found.low <= found.value == (both + corrected) / (both + regressed) <= found.high
    assert s.paired_kept(both, regressed, corrected, sum(counts) + 1000) == found


@pytest.mark.parametrize("counts", [(340, 12, 5), (900, 30, 31), (50, 9, 1)])
@pytest.mark.parametrize("ratio", [0.9, 0.99, 1.0, 1.02])
def test_the_nuisance_share_of_the_kept_ratio_maximises_the_likelihood(counts, ratio):
    both, regressed, corrected = counts

    def minus_log_likelihood(share):
        regressed_share = ratio * share + 1 - ratio
        both_share = 1 - share - regressed_share
        return -(both * math.log(both_share) + regressed * math.log(regressed_share) + corrected * math.log(share))

    low, high = max(0.0, (ratio - 1) / ratio) + 1e-9, ratio / (1 + ratio) - 1e-9
    best = optimize.minimize_scalar(
        minus_log_likelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-12}
    )
    assert s._corrected_share(both, regressed, corrected, ratio) == pytest.approx(best.x, abs=1e-6)


@given(st.tuples(st.integers(1, 400), *[st.integers(0, 400)] * 2))
def test_swapping_the_sides_turns_the_kept_share_round(counts):
    both, regressed, corrected = counts
    found, swapped = (
        present(s.paired_kept(both, *pair, 2000)) for pair in ((regressed, corrected), (corrected, regressed))
    )
    assert (swapped.value, swapped.low, swapped.high) == pytest.approx(
        (1 / found.value, 1 / found.high, 1 / found.low), rel=1e-7
    )


@pytest.mark.parametrize("counts", [(340, 12, 5), (900, 30, 31), (50, 9, 1)])
def test_the_ends_of_the_kept_share_are_where_the_score_statistic_is_1_96(counts):
    """The variance is written out from the three shares, their nuisance found by maximising the likelihood."""
    both, regressed, corrected = counts
    found = present(s.paired_kept(both, regressed, corrected, sum(counts)))

    def statistic(ratio):
        def shares(share):
            regressed_share = ratio * share + 1 - ratio
            return 1 - share - regressed_share, regressed_share, share

        low, high = max(0.0, (ratio - 1) / ratio) + 1e-9, ratio / (1 + ratio) - 1e-9
        best = optimize.minimize_scalar(
            lambda share: -sum(n * math.log(p) for n, p in zip(counts, shares(share), strict=True)),
            bounds=(low, high),
            method="bounded",
            options={"xatol": 1e-13},
        ).x
        p_both, p_lost, p_gained = shares(best)
        variance = sum(counts) * ((1 - ratio) ** 2 * p_both + ratio**2 * p_lost + p_gained)
        return (both + corrected - ratio * (both + regressed)) / math.sqrt(variance)

    assert statistic(found.low) == pytest.approx(1.95996, abs=1e-3)
    assert statistic(found.high) == pytest.approx(-1.95996, abs=1e-3)


@given(st.lists(st.floats(0.1, 10), min_size=6, max_size=60))
def test_the_median_lies_between_two_of_its_values(values):
    found = s.median_interval(np.array(values))
    assert found.low <= found.value <= found.high
    assert {found.low, found.high} <= set(values)


@given(st.integers(6, 300))
def test_the_interval_of_the_median_is_the_narrowest_that_covers(count):
    found = s.median_interval(np.arange(count, dtype=float))
    outside = int(found.low)
    assert found.high == count - 1 - outside
    assert 1 - 2 * stats.binom.cdf(outside, count, 0.5) >= 0.95
    assert 1 - 2 * stats.binom.cdf(outside + 1, count, 0.5) < 0.95


def test_five_values_have_no_interval_of_their_median():
    with pytest.raises(ValueError, match="5 values: an interval of the median needs 6"):
        s.median_interval(np.arange(5.0))


@given(st.integers(1, 3000), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_ranks_of_a_quantile_are_the_innermost_that_leave_two_and_a_half_percent(count, share):
    ranks = s.quantile_ranks(count, share)
    if ranks is None:
        assert stats.binom.pmf(0, count, share) > 0.025 or stats.binom.pmf(count, count, share) > 0.025
        return
    low, high = ranks
    below, above = stats.binom.cdf(low - 1, count, share), stats.binom.sf(high - 1, count, share)
    assert below <= 0.025 < stats.binom.cdf(low, count, share)
    assert above <= 0.025 < stats.binom.sf(high - 2, count, share)
    assert 1 <= low <= high <= count


@given(st.lists(st.floats(0.1, 10), min_size=40, max_size=400), st.integers(2, 12), st.sampled_from([0.5, 0.9]))
def test_a_quantile_lies_between_two_of_its_values(values, groups, share):
    values = np.array(values)
    found = s.quantile_interval(values, share, np.arange(len(values)) % groups)
    if found is not None:
        assert found.low <= found.value == np.quantile(values, share) <= found.high
        assert {found.low, found.high} <= {*values, found.value}


def test_values_on_their_own_count_in_full_and_copies_once():
    values = np.random.default_rng(0).random(500)
    assert s.effective_size(values, np.arange(500)) == pytest.approx(500, rel=0.02)
    assert s.effective_size(np.repeat(values, 10), np.repeat(np.arange(500), 10)) == pytest.approx(500, rel=0.02)
    assert s.effective_size(values, np.zeros(500, np.int64)) == 0


def test_few_loads_that_differ_much_do_not_bound_a_percentile():
    values, loads = np.repeat(np.arange(1.0, 7.0), 200), np.repeat(np.arange(6), 200)
    assert s.quantile_interval(values, 0.99, loads) is None


def test_the_interval_of_a_percentile_covers_though_loads_differ():
    """Loads off by 1 % (standard deviation), skewed runs; taken as independent, far fewer would cover."""
    random = np.random.default_rng(2)

    def sample(loads, runs):
        return np.exp(random.normal(0, 0.01, (loads, 1))) * (1 + random.lognormal(-4, 1, (loads, runs)))

    truth = np.quantile(sample(5000, 200), 0.9)
    loads, covered, naive = np.repeat(np.arange(20), 200), [], []
    low, high = present(s.quantile_ranks(4000, 0.9))
    for _ in range(400):
        values = sample(20, 200).ravel()
        ordered = np.sort(values)
        covered.append(not present(s.quantile_interval(values, 0.9, loads)).excludes(truth))
        naive.append(ordered[low - 1] <= truth <= ordered[high - 1])
    assert 0.92 < np.mean(covered) < 0.98
    assert np.mean(naive) < 0.85


@pytest.mark.parametrize(("percentile", "needed"), [(0.9, 64), (0.95, 130), (0.99, 662), (0.999, 6636)])
def test_percentiles_need_what_loadgen_needs(percentile, needed):
    assert s.samples_for_percentile(percentile) == needed


@given(st.floats(0.5, 0.9999), st.floats(0.9, 0.999))
def test_the_samples_for_a_percentile_are_the_fewest(percentile, confidence):
    count = s.samples_for_percentile(percentile, confidence)
    assert stats.binom.cdf(1, count, 1 - percentile) <= 1 - confidence + 1e-12
    assert count == 2 or stats.binom.cdf(1, count - 1, 1 - percentile) > 1 - confidence - 1e-12


@given(st.integers(1, 10**6), st.integers(1, 100))
def test_the_smallest_passing_is_the_threshold(threshold, start):
    assert s.smallest_passing(lambda n: n >= threshold, start) == max(threshold, start)


def test_no_number_of_samples_is_said_so():
    with pytest.raises(ValueError, match="no number of samples up to 1000 is enough"):
        s.smallest_passing(lambda n: False, 1, limit=1000)


@given(st.integers(1, 5000), st.integers(0, 5000))
def test_every_number_up_to_the_limit_is_tried(threshold, above):
    assert s.smallest_passing(lambda n: n >= threshold, 1, limit=threshold + above) == threshold


@given(st.integers(1, 40), st.integers(0, 40))
@settings(deadline=None, max_examples=30)
def test_the_samples_to_decide_decide(regressed, corrected):
    samples, target = 1000, 0.01

    def at(scale, z):
        return s.paired_drop(regressed * scale, corrected * scale, samples * scale, z)

    needed = s.samples_to_decide(at, target, samples)
    if (regressed - corrected) / samples == target:
        assert needed is None
    else:
        assert needed is not None
        assert at(needed / samples, s.Z_POWER_80).excludes(target)
        assert not at((needed - 1) / samples, s.Z_POWER_80).excludes(target) or needed == 1


def test_deciding_samples_decide_four_times_in_five():
    """At the rates asked about, a test set of the size named excludes the target in about 80 % of draws."""
    shares = np.array([0.90, 0.02, 0.01, 0.07])

    def at(scale, z):
        both, regressed, corrected, _ = 1000 * scale * shares
        return present(s.paired_kept(both, regressed, corrected, 1000 * scale, z))

    needed = present(s.samples_to_decide(at, 0.97, 1000))
    draws = np.random.default_rng(0).multinomial(needed, shares, size=400)
    decided = [present(s.paired_kept(d[0], d[1], d[2], needed)).excludes(0.97) for d in draws]
    assert 0.72 < np.mean(decided) < 0.88


def test_the_intervals_cover():
    """A small simulation; benchmarks/verdict has the large one."""
    random = np.random.default_rng(1)
    draws = random.multinomial(1000, [0.90, 0.02, 0.012, 0.068], size=1500)
    drop = np.mean([not s.paired_drop(d[1], d[2], 1000).excludes(0.008) for d in draws])
    kept = np.mean([not present(s.paired_kept(d[0], d[1], d[2], 1000)).excludes(0.912 / 0.92) for d in draws])
    medians = np.mean([not s.median_interval(random.standard_cauchy(25)).excludes(0) for _ in range(1500)])
    assert 0.935 < drop < 0.97
    assert 0.935 < kept < 0.97
    assert 0.94 < medians < 0.985


def test_normal_points_are_those_of_the_distribution():
    from scipy import special

    assert float(special.ndtri(0.5 + s.CONFIDENCE / 2)) == s.Z
    assert float(special.ndtri(0.8)) + s.Z == s.Z_POWER_80
