import numpy as np
import pytest

from roundoff.backend.cpu import images_per_call, infer_in_chunks


@pytest.mark.parametrize(
    ("height", "width", "most"), [(8, 8, 256), (64, 64, 256), (64, 128, 128), (224, 224, 20), (2000, 2000, 1)]
)
def test_the_larger_the_images_the_fewer_are_given_at_once(height, width, most):
    assert images_per_call(np.broadcast_to(np.uint8(0), (1000, height, width, 3))) == most


def test_large_images_are_answered_in_order_in_small_parts():
    images, sizes = np.zeros((45, 224, 224, 1), np.uint8), []
    images[:, 0, 0, 0] = np.arange(45)

    def infer(part):
        sizes.append(len(part))
        return part[:, 0, 0, :].astype(np.float32)

    assert infer_in_chunks(images, 1, infer).ravel().tolist() == list(range(45))
    assert sizes == [20, 20, 5]
