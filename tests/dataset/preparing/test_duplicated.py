"""Training images that are in the test split as well."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundoff.dataset.preparing import duplicated


@given(st.lists(st.integers(0, 6), max_size=20), st.lists(st.integers(0, 9), max_size=30), st.integers(1, 7))
def test_every_training_image_of_the_test_split_is_found(test, train, block):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(duplicated, "BLOCK", block)
        found = duplicated.Duplicated(len(test))
        for index, pixel in enumerate(test):
            found.remember(index, np.full((2, 2, 1), pixel, np.uint8))
        for index, pixel in enumerate(train):
            found.recognise(index, np.full((2, 2, 1), pixel, np.uint8))
        assert found.train_indices() == [index for index, pixel in enumerate(train) if pixel in test]
