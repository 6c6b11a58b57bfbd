"""A cell's error against the reference: null in the metrics where it is no number."""

import numpy as np
import pytest

from roundoff.errors import GateError
from roundoff.measurement.reference import _error

EXACT = np.array([[3.0, 0.0], [0.0, 4.0]], np.float32)


@pytest.mark.parametrize(
    ("logits", "exact", "error"),
    [
        (EXACT * 2, EXACT, 1.0),
        (np.full((2, 2), np.nan, np.float32), EXACT, None),
        (np.full((2, 2), np.inf, np.float32), EXACT, None),
        (EXACT, np.zeros((2, 2), np.float32), None),
    ],
)
def test_an_error_that_is_no_number_is_null(logits, exact, error):
    assert _error(logits, exact) == error


def test_another_number_of_classes_has_no_error():
    with pytest.raises(GateError, match="another number of classes"):
        _error(np.zeros((2, 3), np.float32), EXACT)
