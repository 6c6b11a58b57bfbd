"""Numbers as text: significant digits kept, gaps shown."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundoff.report.words import numbers
from roundoff.results.cell import Speedup
from roundoff.results.message import Words


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0, "0"), (0.07004, "0.0700"), (9.1, "9.10"), (14006.2, "14,006"), (0.9996, "1.00"), (-1.5, "-1.50")],
)
def test_plain_keeps_three_digits(value, text):
    assert numbers.plain(value) == text


@given(st.floats(min_value=1e-9, max_value=1e9))
def test_plain_is_within_half_a_digit(value):
    shown = float(numbers.plain(value).replace(",", ""))
    assert abs(shown - value) <= max(0.5, 0.005 * value) if value >= 100 else abs(shown - value) <= 0.0051 * value


def test_intervals_need_both_ends():
    assert numbers.points_with_interval(SimpleNamespace(drop=0.01, drop_low=0.1, drop_high=None), "drop") == "+1.00"
    assert numbers.points_with_interval(None, "drop") == numbers.MISSING


def test_points_are_signed():
    found = SimpleNamespace(drop=0.0025, drop_low=-0.0083, drop_high=0.0139)
    assert numbers.points_with_interval(found, "drop") == "+0.25 (−0.83 … +1.39)"


def test_no_difference_has_no_sign():
    assert [numbers.points(value) for value in (0.0, -0.0, -0.0001, 0.0001)] == ["0.00", "0.00", "−0.01", "+0.01"]


def test_ratio_shows_its_interval():
    found = Speedup(speedup=1.4, speedup_low=1.38, speedup_high=1.42)
    assert numbers.times_with_interval(found, "speedup", Words("en")) == "1.40× (1.38–1.42)"
    assert numbers.times_with_interval(found, "speedup", Words("ja")) == "1.40 倍（1.38–1.42）"


@pytest.mark.parametrize(("count", "text"), [(7, "7"), (803, "810"), (3890, "3,900"), (100, "100")])
def test_estimates_are_rounded_up(count, text):
    assert numbers.rounded_up(count) == text


def test_a_p_value_is_short_however_small():
    assert [numbers.probability(value) for value in (None, 0.0, 1e-250, 0.0002, 0.034)] == [
        "–",
        "< 0.0001",
        "< 0.0001",
        "0.00020",
        "0.034",
    ]
