"""Runs of one input that should answer alike: by how much they differ, and whether they do so alone as well."""

from __future__ import annotations

import numpy as np

from roundoff.backend.base import Binding, Logits
from roundoff.graph.difference import relative_error

REPEATS = 10


def spread_of(runs: list[Logits]) -> float:
    """The largest relative difference of runs on one input from the first of them; infinite where one is not finite."""
    if not all(np.isfinite(run).all() for run in runs):
        return 0.0 if all(np.array_equal(run, runs[0], equal_nan=True) for run in runs) else float("inf")
    return max(relative_error(run, runs[0]) for run in runs)


def looked_again(bound: Binding, allowed: float) -> str:
    """Whether runs of one input differ with nothing beside them, too: whose doing the difference is."""
    if bound.alone_words is None:
        return "they ran one after the other, with nothing beside them: the runtime itself is not deterministic here"
    spread = spread_of(bound.alone(REPEATS))
    if spread <= allowed:
        return (
            f"{bound.alone_words} it answers alike (up to {spread:.3g}): what runs side by side, or from a CUDA graph, "
            "disturbs it"
        )
    return (
        f"{bound.alone_words} it differs from run to run, too (up to {spread:.3g}): "
        "the library itself is not deterministic here"
    )
