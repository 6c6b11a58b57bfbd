"""What became of one figure between two revisions, and whether that is beyond its noise."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from roundoff.results.values import bounds_of
from roundoff.revisions.figures import Figure, Holder

Judgement = Literal["better", "worse", "within noise", "unchanged", "noise unknown", "other machine", "not comparable"]


@dataclass(frozen=True)
class Change:
    """One figure of one cell in both snapshots, of one batch size where `batch` is one.

    `change` is b − a where `unit` is `points`, b ÷ a − 1 where it is `ratio`, None where that says nothing;
    [`low`, `high`] is its 95 % interval, where there is one.
    """

    cell: str
    figure: str
    a: float | str | None
    b: float | str | None
    change: float | None
    low: float | None
    high: float | None
    judgement: Judgement
    unit: Literal["points", "ratio"] = "ratio"
    batch: int | None = None

    @property
    def title(self) -> str:
        """The figure with its batch size, to be shown."""
        return self.figure if self.batch is None else f"batch {self.batch}: {self.figure}"


def change_of(cell: str, batch: int | None, figure: Figure, a: Holder, b: Holder, drift: float) -> Change | None:
    """What became of one figure; None where neither has it."""
    before, after = _value(a, figure.name), _value(b, figure.name)
    if before is None and after is None:
        return None

    def plain(judgement: Judgement) -> Change:
        return Change(cell, figure.name, before, after, None, None, None, judgement, batch=batch)

    if before is None or after is None:
        return plain("not comparable")
    if figure.within and _apart(_value(a, figure.within), _value(b, figure.within)):
        return plain("not comparable")
    if before == after:
        return replace(plain("unchanged"), change=0.0)
    if figure.kind != "share" and min(before, after) <= 0:
        return plain(_without_ratio(figure, before, after))
    change = after - before if figure.kind == "share" else after / before - 1
    low, high = interval_of_change(figure, a, b, drift) or (None, None)
    unit: Literal["points", "ratio"] = "points" if figure.kind == "share" else "ratio"
    judgement = _judgement(figure, change, low, high)
    return Change(cell, figure.name, before, after, change, low, high, judgement, unit, batch)


def _value(holder: Holder, name: str) -> float | None:
    """A figure by its name; None where there is none."""
    figure: float | None = getattr(holder, name, None)
    return figure


def interval_of_change(figure: Figure, a: Holder, b: Holder, drift: float) -> tuple[float, float] | None:
    """The 95 % interval of a change from the intervals of both figures (MOVER: Zou and Donner, Stat. Med. 27, 2008).

    Shares by difference (for Wilson's intervals this is Newcombe's, Stat. Med. 17, 1998), ratios by their logarithms;
    absolute figures of two sessions by `drift`, or by the spread of either session's rounds where that is more; both
    are far wider than the interval of a median.
    """
    before, after = _value(a, figure.name), _value(b, figure.name)
    if before is None or after is None:
        return None
    if figure.kind == "exact":
        return after / before - 1, after / before - 1
    if figure.kind == "session":
        widest = 1 + max(drift, *(_value(side, "round_spread") or 0.0 for side in (a, b)))
        return after / before / widest - 1, after / before * widest - 1
    of_a, of_b = bounds_of(a, figure.name), bounds_of(b, figure.name)
    if of_a is None or of_b is None:
        return None
    if figure.kind == "share":
        return _difference(before, after, *of_a, *of_b)
    low, high = _difference(math.log(before), math.log(after), *(math.log(bound) for bound in (*of_a, *of_b)))
    return math.expm1(low), math.expm1(high)


def _difference(a: float, b: float, a_low: float, a_high: float, b_low: float, b_high: float) -> tuple[float, float]:
    return b - a - math.hypot(b - b_low, a_high - a), b - a + math.hypot(b_high - b, a - a_low)


def _judgement(figure: Figure, change: float, low: float | None, high: float | None) -> Judgement:
    if low is None or high is None:
        return "noise unknown"
    if low <= 0 <= high:
        return "within noise"
    return "better" if (change > 0) == figure.more_is_better else "worse"


def _apart(a: float | None, b: float | None) -> bool:
    return a is not None and b is not None and a != b


def _without_ratio(figure: Figure, before: float, after: float) -> Judgement:
    """Of a figure that is or becomes 0: only what has no noise is more or less."""
    if figure.kind != "exact":
        return "noise unknown"
    return "better" if (after > before) == figure.more_is_better else "worse"
