from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundoff.dataset.preparing.stratified import stratified_indices
from roundoff.errors import DataError

labelled = st.lists(st.integers(0, 4), min_size=1, max_size=80).map(lambda labels: np.array(labels, dtype=np.int64))


@given(labelled, st.integers(0, 2**32), st.data())
def test_every_prefix_is_balanced_until_a_class_runs_out(labels, seed, data):
    count = data.draw(st.integers(1, len(labels)))
    drawn = labels[stratified_indices(labels, count, seed)]
    classes, available = np.unique(labels, return_counts=True)
    for end in range(1, count + 1):
        taken = np.array([np.sum(drawn[:end] == each) for each in classes])
        assert np.all(taken[taken < available] >= taken.max() - 1)


@given(labelled, st.integers(0, 2**32), st.data())
def test_indices_are_distinct_seeded_never_excluded_and_prefixes_agree(labels, seed, data):
    exclude = data.draw(st.lists(st.integers(0, len(labels) - 1), unique=True, max_size=len(labels) - 1))
    every = stratified_indices(labels, len(labels) - len(exclude), seed, exclude)
    assert every.dtype == np.int64
    assert sorted([*every.tolist(), *exclude]) == list(range(len(labels)))
    count = data.draw(st.integers(1, len(every)))
    assert np.array_equal(every[:count], stratified_indices(labels, count, seed, exclude))


def test_another_seed_draws_other_images():
    labels = np.repeat(np.arange(10), 100)
    assert not np.array_equal(stratified_indices(labels, 50, 0), stratified_indices(labels, 50, 1))


@pytest.mark.parametrize("count", [0, 8])
def test_a_count_that_cannot_be_drawn_is_refused(count):
    with pytest.raises(DataError, match=rf"request for {count} of 10, 3 of them excluded\n  expected: 1 to 7"):
        stratified_indices(np.zeros(10, dtype=np.int64), count, 0, [1, 2, 3])
