"""A question that a verdict answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["pass", "fail", "undecided"]
Bounds = Literal["interval", "margin", "exact"]


@dataclass(frozen=True)
class Check:
    """One question on a cell: what was found, between what bounds, the limit, the answer, in words.

    `bounds` says what `low` and `high` are: a 95 % interval, the figure give or take a margin, the figure itself; None
    where nothing was found.
    """

    name: str
    verdict: Outcome
    found: float | None
    low: float | None
    high: float | None
    limit: float
    reason: str
    samples_needed: int | None = None
    bounds: Bounds | None = "interval"
