"""Draw images evenly from all classes, the same ones for the same seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roundoff.dataset.base import Labels
from roundoff.errors import DataError

BLOCK = 2**16
MOST_SMALL = 2**31 - 1


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
    places = np.flatnonzero(allowed).astype(np.int32 if len(labels) <= MOST_SMALL else np.int64)
    candidates = generator.permutation(places)
    if not 0 < count <= len(candidates):
        raise DataError(
            "cannot draw this many images",
            received=f"a request for {count} of {len(labels)}, {len(labels) - len(candidates)} of them excluded",
            expected=f"1 to {len(candidates)}",
            fix="ask for fewer, or provide more images that are not in the test split as well",
        )
    drawn, rounds, ties = _first_rounds(labels, candidates, count, generator)
    return drawn[np.lexsort((ties, rounds))][:count].astype(np.int64)


def _first_rounds(
    labels: Labels, candidates: NDArray[Any], count: int, generator: np.random.Generator
) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.float64]]:
    """The candidates that may be among the first `count`, each with its rank in its class and a tie-breaker.

    Block by block, so that memory is for these alone.
    """
    sizes = sum((_counts(labels[block]) for block in _blocks(candidates)), Counter[int]())
    last = next(r for r in range(1, count + 1) if sum(min(size, r) for size in sizes.values()) >= count)
    seen = np.zeros(max(sizes) + 1, dtype=np.int64)
    parts: list[tuple[NDArray[Any], NDArray[np.int64], NDArray[np.float64]]] = []
    for block in _blocks(candidates):
        ties, its = generator.random(len(block)), labels[block]
        ranks = seen[its] + _rank_within_class(its)
        seen += np.bincount(its, minlength=len(seen))
        early = ranks < last
        parts.append((block[early], ranks[early], ties[early]))
    drawn, rounds, breakers = (np.concatenate(column) for column in zip(*parts, strict=True))
    return drawn, rounds, breakers


def _blocks(candidates: NDArray[Any]) -> Iterator[NDArray[Any]]:
    for start in range(0, len(candidates), BLOCK):
        yield candidates[start : start + BLOCK]


def _counts(labels: Labels) -> Counter[int]:
    classes, sizes = np.unique(labels, return_counts=True)
    return Counter(dict(zip(classes.tolist(), sizes.tolist(), strict=True)))


def _rank_within_class(labels: Labels) -> NDArray[np.int64]:
    """For each position, how many earlier positions carry the same label."""
    order = np.argsort(labels, kind="stable")
    _, starts, sizes = np.unique(labels[order], return_index=True, return_counts=True)
    ranks = np.empty(len(labels), dtype=np.int64)
    ranks[order] = np.arange(len(labels)) - np.repeat(starts, sizes)
    return ranks
