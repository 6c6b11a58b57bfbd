"""Logits in a file that several write."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from roundoff.measurement.logits_file import LogitsFile, blocks


@given(st.integers(1, 40), st.integers(1, 5), st.randoms(use_true_random=False))
def test_rows_in_any_parts_make_the_whole(tmp_path_factory, count, classes, random):
    whole = np.random.default_rng(count).normal(size=(count, classes)).astype(np.float32)
    order = list(range(count))
    random.shuffle(order)
    written = LogitsFile(tmp_path_factory.mktemp("logits") / "cell.npy", count)
    cut = random.randint(0, count - 1)
    for part in (order[:cut], order[cut:]):
        if part:
            written.write(np.sort(part), whole[np.sort(part)])
    np.testing.assert_array_equal(written.read(), whole)


def test_what_was_not_run_is_nan(tmp_path):
    written = LogitsFile(tmp_path / "cell.npy", 5)
    written.fill(2)
    written.write(np.array([1, 2, 4]), np.ones((3, 2), np.float32))
    assert np.isnan(written.read()).all(axis=1).tolist() == [True, False, False, True, False]


@given(st.integers(1, 10**6).flatmap(lambda width: st.tuples(st.integers(0, 10**8 // width), st.just(width))))
def test_blocks_cover_all_rows_and_are_small(shape):
    count, width = shape
    found = blocks(count, width)
    assert [first for first, _ in found] + [count] == [0, *(last for _, last in found)]
    assert all(last - first == 1 or 8 * width * (last - first) <= 2**21 for first, last in found)
