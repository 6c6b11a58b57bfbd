"""The benchmark of choices: what it finds on random distributions, and that its targets can be missed."""

import numpy as np
import pytest

from benchmarks.calibration import choice


@pytest.mark.slow  # hundreds of distributions
def test_the_default_is_near_the_best_candidate_on_random_distributions():
    rows = list(choice.of_distributions(19, values=512))
    for grid in choice.GRIDS:
        ratios = np.array([row["ratio"] for row in rows if row["grid"] == grid])
        assert (ratios <= choice.CLOSE).mean() >= 0.85
        assert ratios.max() <= choice.FAR


def test_the_study_misses_a_target_that_is_missed():
    rows = [
        {"source": "net", "tensor": "t", "grid": grid, "ratio": ratio} for grid in choice.GRIDS for ratio in (1, 2.5)
    ]
    assert not any(choice.targets(rows).values())
    assert len(choice.targets(rows)) == 4
    assert not any(choice.targets([]).values())
    assert "| networks | symmetric | 2 | 50.0 % |" in choice.table(rows)
