"""Errors from a histogram against those of the values themselves, on both kinds of grid."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.calibration.distributions import Distribution
from roundoff.calibration.observing.grid_error import GridError
from roundoff.calibration.observing.histogram import Histogram
from roundoff.graph.grid import fake_quantize, grid_for

IN_A_BIN = ("batch norm", "levels", "pixels", "spike and laplace", "spike and normal")  # a spike lies anywhere in it


def histogram_of(values, stride=1) -> Histogram:
    seen = Histogram()
    seen.add(np.asarray(values, np.float32), stride)
    return seen


def exact(values, low, high, symmetric) -> float:
    dtype: Literal["int8", "uint8"] = "int8" if symmetric else "uint8"
    rounded = fake_quantize(values, *grid_for(low, high, dtype, symmetric), dtype)
    return float(np.square(values - rounded, dtype=np.float64).sum())


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), share=st.floats(0.05, 1), other=st.floats(0.05, 1))
def test_errors_are_those_of_the_values(seed, share, other):
    random = np.random.default_rng(seed)
    values = (random.laplace(size=20_000) + random.uniform(-2, 2)).astype(np.float32)
    seen = histogram_of(values)
    error = GridError(seen)
    threshold = share * seen.peak
    found = error.symmetric(np.array([threshold]))[0]
    assert found == pytest.approx(exact(values, -threshold, threshold, True), rel=0.03)
    low, high = share * seen.low, other * seen.high
    found = error.asymmetric(np.array([low]), np.array([high]))[0]
    assert found == pytest.approx(exact(values, low, high, False), rel=0.03)


def test_errors_are_those_of_the_values_for_every_kind_of_distribution():
    for seed in range(19):
        made = Distribution(seed, 64)
        values = made.sample(0, 320)
        seen = histogram_of(values)
        error = GridError(seen)
        if made.kind in IN_A_BIN:
            continue
        for share in (1.0, 0.7, 0.2):
            low, high = share * min(seen.low, 0.0), share * max(seen.high, 0.0)
            found = error.asymmetric(np.array([low]), np.array([high]))[0]
            allowed = 2e-6 * error.power
            assert found == pytest.approx(exact(values, low, high, False), rel=0.05, abs=allowed), made.kind


def test_power_is_the_sum_of_squares():
    values = np.random.default_rng(0).normal(1, 2, 10_000).astype(np.float32)
    assert GridError(histogram_of(values)).power == pytest.approx(np.square(values).sum(), rel=1e-4)


@pytest.mark.parametrize("value", [2.5, -0.3, 7e4, 1e-20])
def test_a_constant_errs_only_where_it_is_clipped(value):
    seen = histogram_of(np.full(1000, value, np.float32))
    kept, clipped = GridError(seen).symmetric(np.array([seen.peak, 0.9 * seen.peak]))
    assert kept <= 1e-12 * GridError(seen).power
    last = 0.9 * value * (128 / 127 if value < 0 else 1)
    assert clipped == pytest.approx(1000 * (value - last) ** 2, rel=1e-3)


def test_what_piles_up_at_the_end_is_exact():
    values = np.clip(np.random.default_rng(0).normal(6, 1, 10_000), 0, 6).astype(np.float32)
    found = GridError(histogram_of(values)).asymmetric(np.zeros(1), np.array([6.0]))[0]
    assert found == pytest.approx(exact(values, 0, 6, False), rel=0.02)


def test_an_extreme_that_a_stride_left_out_counts_by_its_share():
    values = np.zeros(1000, np.float32)
    values[1] = 8
    found = GridError(histogram_of(values, stride=4)).symmetric(np.array([4.0]))[0]
    assert found == pytest.approx(16 / 4)


def test_one_value_can_be_left_out():
    values = np.append(np.full(100, 1.0), 50).astype(np.float32)
    whole, rest = (GridError(histogram_of(values), but_one).symmetric(np.array([1.0]))[0] for but_one in (False, True))
    assert whole == pytest.approx(49**2, rel=1e-3)
    assert rest < 1
