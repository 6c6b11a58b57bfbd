import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundoff.dataset.base import Split
from roundoff.errors import DataError
from roundoff.training.batches import TrainingBatches, ValidationBatches, augmented, holdout, reflected


def split(count=23, size=6):
    images = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    images[:, 0, 0, 0] = np.arange(count)
    return Split(images, np.arange(count) % 3)


def batches(data, **changes):
    settings = {"classes": 3, "batch_size": 5, "epochs": 4, "shift": 0, "flip": False, "seed": 7}
    return TrainingBatches(data, np.arange(len(data.labels)), **{**settings, **changes})


def seen(made, epoch):
    numbers = range(epoch * made.per_epoch, (epoch + 1) * made.per_epoch)
    return np.concatenate([made[number][0][:, 0, 0, 0] for number in numbers])


def test_an_epoch_shows_no_image_twice_and_another_order_than_the_next():
    made = batches(split())
    assert len(made) == 16
    assert len(set(seen(made, 0))) == 20
    assert list(seen(made, 0)) != list(seen(made, 1))


def test_a_batch_depends_on_its_number_alone():
    data = split()
    first, second = batches(data, shift=2, flip=True), batches(data, shift=2, flip=True)
    forwards = [first[number] for number in range(len(first))]
    backwards = [second[number] for number in reversed(range(len(second)))][::-1]
    for (images, labels), (other_images, other_labels) in zip(forwards, backwards, strict=True):
        np.testing.assert_array_equal(images, other_images)
        np.testing.assert_array_equal(labels, other_labels)


def test_another_seed_gives_other_batches():
    data = split()
    assert list(seen(batches(data), 0)) != list(seen(batches(data, seed=8), 0))


def test_validation_shows_every_chosen_image_once_unchanged():
    data = split()
    chosen = np.array([1, 4, 9, 16, 20, 21, 22])
    made = ValidationBatches(data, chosen, 3, 3)
    images = np.concatenate([made[number][0] for number in range(len(made))])
    labels = np.concatenate([made[number][1] for number in range(len(made))])
    np.testing.assert_array_equal(images, data.images[chosen])
    np.testing.assert_array_equal(labels.argmax(axis=1), data.labels[chosen])


def test_without_shift_and_flip_images_stay_as_they_are():
    data, batch = split(), np.array([3, 1, 2])
    made = augmented(data.images, batch, 0, False, np.random.default_rng(0))
    np.testing.assert_array_equal(made, data.images[batch])


def test_an_augmented_image_is_a_window_of_its_reflected_original_or_of_its_mirror_image():
    data, batch, shift = split(), np.repeat(np.arange(8), 25), 2
    made = augmented(data.images, batch, shift, True, np.random.default_rng(0))
    offsets = set()
    for image, source in zip(made, batch, strict=True):
        original = data.images[source]
        found = [
            (flip, top, left)
            for flip, candidate in enumerate((original, original[:, ::-1]))
            for top in range(2 * shift + 1)
            for left in range(2 * shift + 1)
            if np.array_equal(window(candidate, shift, top, left), image)
        ]
        assert found
        offsets.update(found)
    assert len(offsets) == 2 * 5 * 5


def window(image, shift, top, left):
    padded = np.pad(image, ((shift, shift), (shift, shift), (0, 0)), mode="reflect")
    return padded[top : top + image.shape[0], left : left + image.shape[1]]


@given(st.integers(2, 40), st.data())
def test_reflected_positions_are_numpys_reflection(size, data):
    shift = data.draw(st.integers(0, size - 1))
    expected = np.pad(np.arange(size), shift, mode="reflect")
    np.testing.assert_array_equal(reflected(np.arange(-shift, size + shift), size), expected)


@given(st.lists(st.integers(2, 30), min_size=1, max_size=6), st.floats(0.05, 0.5), st.integers(0, 99))
def test_the_holdout_takes_its_fraction_of_every_class(counts, fraction, seed):
    labels = np.repeat(np.arange(len(counts)), counts)
    if any(max(1, round(fraction * count)) >= count for count in counts):
        with pytest.raises(DataError, match="too small"):
            holdout(labels, fraction, seed)
        return
    chosen = holdout(labels, fraction, seed)
    assert len(set(chosen)) == len(chosen)
    taken = np.bincount(labels[chosen], minlength=len(counts))
    assert list(taken) == [max(1, round(fraction * count)) for count in counts]


def test_a_class_with_one_image_cannot_be_held_out():
    with pytest.raises(DataError, match="Class 1 is too small"):
        holdout(np.array([0, 0, 0, 1]), 0.25, 0)
