import numpy as np
import pytest

from roundoff.calibration.minmax import MinMax
from roundoff.calibration.observing.calibrate import image_indices
from roundoff.errors import DataError
from roundoff.sensitivity.held_out import held_out_indices, training_images, unused_images

CALIBRATOR = MinMax(images=64, held_out=32)


def test_no_image_is_used_twice(prepared):
    chosen, held_out = image_indices(CALIBRATOR, prepared, 300)
    picked = held_out_indices(prepared, [*chosen, *held_out], 100)
    assert len(picked) == len(set(picked.tolist())) == 100
    assert not {*picked.tolist()} & {*chosen.tolist(), *held_out.tolist(), 7, 250}


def test_what_is_left_is_taken_where_more_is_asked_for(prepared):
    assert len(unused_images(prepared, CALIBRATOR, 10_000)) == 300 - 64 - 32 - 2


def test_too_few_that_are_left_are_refused(prepared):
    with pytest.raises(DataError, match="too few training images"):
        held_out_indices(prepared, np.arange(240), 100)


def test_a_test_image_is_refused(prepared):
    test = np.load(prepared.directory / "test_images.npy")
    train = np.load(prepared.directory / "train_images.npy")
    train[20] = test[3]
    np.save(prepared.directory / "train_images.npy", train)
    with pytest.raises(DataError, match="first: training image 20"):
        training_images(prepared, np.arange(10, 30))
