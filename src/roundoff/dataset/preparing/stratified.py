"""Draw images evenly from all classes, the same ones for the same seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from roundoff.dataset.base import Labels
from roundoff.errors import DataError


def stratified_indices(
    labels: Labels, count: int, seed: int, exclude: Sequence[int] | NDArray[np.int64] = ()
) -> NDArray[np.int64]:
    """`count` distinct indices int64 into `labels` [N], drawn with `seed` and never one of `exclude`.

    In every prefix, until a class runs out, no two classes differ by more than one image. A smaller `count` gives
    a prefix of what a larger one gives. Raises DataError if too few images remain.
    """
    generator = np.random.default_rng(seed)
    allowed = np.ones(len(labels), dtype=bool)
    allowed[np.asarray(exclude, dtype=np.int64)] = False
    candidates = generator.permutation(np.flatnonzero(allowed))
    if not 0 < count <= len(candidates):
        raise DataError(
            "cannot draw this many images",
            received=f"a request for {count} of {len(labels)}, {len(labels) - len(candidates)} of them excluded",
            expected=f"1 to {len(candidates)}",
            fix="ask for fewer, or provide more images that are not in the test split as well",
        )
    rounds = _rank_within_class(labels[candidates])
    ties = generator.random(len(candidates))
    return candidates[np.lexsort((ties, rounds))][:count].astype(np.int64)


def _rank_within_class(labels: Labels) -> NDArray[np.int64]:
    """For each position, how many earlier positions carry the same label."""
    order = np.argsort(labels, kind="stable")
    _, starts, sizes = np.unique(labels[order], return_index=True, return_counts=True)
    ranks = np.empty(len(labels), dtype=np.int64)
    ranks[order] = np.arange(len(labels)) - np.repeat(starts, sizes)
    return ranks
