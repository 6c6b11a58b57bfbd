"""The loads that are planned bring the interval within the width that was asked for, by simulated loads."""

import numpy as np
import pytest

from roundoff.measurement.statistics import median_interval
from roundoff.planning.loads import loads_needed, upper_deviation
from tests.support.present import present


def drawn(random, spread, loads):
    return 1.3 * np.exp(random.normal(0, spread, loads))


def narrow(ratios, within):
    found = median_interval(ratios)
    return max(found.high / found.value - 1, 1 - found.low / found.value) <= within


@pytest.mark.parametrize("spread", [0.01, 0.03])
def test_planned_loads_reach_the_width_four_times_in_five(spread):
    """Planned anew from a pilot of 20 loads each time."""
    random = np.random.default_rng(2)
    reached, planned = [], []
    for _ in range(150):
        planned.append(present(loads_needed(drawn(random, spread, 20), 0.01)))
        reached.append(narrow(drawn(random, spread, planned[-1]), 0.01))
    assert 0.78 <= np.mean(reached) <= 0.97
    assert np.mean([narrow(drawn(random, spread, max(6, loads // 3)), 0.01) for loads in planned]) < 0.6


def test_a_steady_machine_needs_the_fewest_loads_that_have_an_interval():
    assert loads_needed(drawn(np.random.default_rng(0), 1e-4, 10), 0.01) == 6


def test_a_width_that_is_out_of_reach():
    assert loads_needed(drawn(np.random.default_rng(0), 1.0, 10), 0.001) is None


def test_the_upper_limit_of_a_deviation_is_exceeded_in_a_fifth_of_pilots():
    random = np.random.default_rng(3)
    below = [upper_deviation(random.normal(0, 1, 10)) < 1 for _ in range(2000)]
    assert np.mean(below) == pytest.approx(0.2, abs=0.025)
