"""Training images that are in the test split as well: found by a hash of their pixels, 16 bytes for each test image."""

from __future__ import annotations

import hashlib

import numpy as np

from roundoff.dataset.base import Images

BYTES = 16
BLOCK = 2**12
# Compared as text that ends with its last byte other than 0: of one length, that is byte by byte.
HASH = np.dtype(f"S{BYTES}")


def image_hash(image: Images) -> bytes:
    """16 bytes by which equal images are found: BLAKE2b of the pixels, uint8 [H, W, C] in C order."""
    return hashlib.blake2b(image.tobytes(), digest_size=BYTES).digest()


class Duplicated:
    """Training images whose pixels are also in the test split of `count` images, which has to be shown first."""

    def __init__(self, count: int) -> None:
        self._test = np.zeros(count, HASH)
        self._sorted = False
        self._first, self._block = 0, list[bytes]()
        self._found: list[int] = []

    def remember(self, index: int, image: Images) -> None:
        """A test image, uint8 [H, W, C]."""
        self._test[index] = image_hash(image)

    def recognise(self, index: int, image: Images) -> None:
        """A training image; they come in order."""
        self._block.append(image_hash(image))
        if len(self._block) == BLOCK:
            self._look_up(index + 1)

    def train_indices(self) -> list[int]:
        """Which of the training images shown so far are in the test split."""
        self._look_up(self._first + len(self._block))
        return self._found

    def _look_up(self, end: int) -> None:
        if not self._sorted:
            self._test.sort()
            self._sorted = True
        hashes = np.array(self._block, HASH)
        places = np.searchsorted(self._test, hashes).clip(max=max(0, len(self._test) - 1))
        same = self._test[places] == hashes if len(self._test) else np.zeros(len(hashes), bool)
        self._found += (self._first + np.flatnonzero(same)).tolist()
        self._first, self._block = end, []
