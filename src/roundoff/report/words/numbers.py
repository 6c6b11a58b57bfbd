"""Numbers as a report prints them; a missing one is a dash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roundoff.verdict import ranking

MISSING = "–"
SMALLEST_P = 0.0001


def plain(value: float | None, digits: int = 3) -> str:
    """`value` with `digits` significant digits, thousands separated, never in exponent form."""
    if value is None:
        return MISSING
    if value == 0:
        return "0"
    magnitude = f"{abs(value):.{digits - 1}e}"
    exponent = int(magnitude.split("e")[1])
    return f"{value:,.{max(0, digits - 1 - exponent)}f}"


def scientific(value: float | None) -> str:
    """A small ratio such as a relative error, two significant digits."""
    if value is None:
        return MISSING
    return "0" if value == 0 else f"{value:.1e}"


def probability(value: float | None) -> str:
    """A p-value with two significant digits; below 0.0001 only that."""
    return f"< {SMALLEST_P}" if value is not None and value < SMALLEST_P else plain(value, 2)


def percent(value: float | None, digits: int = 2) -> str:
    """A fraction of 1 in percent."""
    return MISSING if value is None else f"{100 * value:.{digits}f}\u00a0%"


def points(value: float | None, digits: int = 2) -> str:
    """A difference of fractions in percentage points, without its unit and always signed."""
    return MISSING if value is None else f"{100 * value:+.{digits}f}".replace("-", "−")


def interval(facts: Mapping[str, Any], key: str) -> tuple[float, float] | None:
    """The pair (`key`_low, `key`_high), or None where either is missing."""
    low, high = facts.get(f"{key}_low"), facts.get(f"{key}_high")
    return None if low is None or high is None else (float(low), float(high))


def percent_with_interval(facts: Mapping[str, Any], key: str) -> str:
    """For example `97.22 % (95.0 to 98.5)`, with a dash between the bounds."""
    bounds = interval(facts, key)
    value = percent(facts.get(key))
    return value if bounds is None else f"{value} ({100 * bounds[0]:.1f}–{100 * bounds[1]:.1f})"


def points_with_interval(facts: Mapping[str, Any], key: str) -> str:
    """For example `+0.28 (−0.83 … +1.39)`, in percentage points."""
    bounds = interval(facts, key)
    value = points(facts.get(key))
    return value if bounds is None else f"{value} ({points(bounds[0])} … {points(bounds[1])})"


def times_with_interval(facts: Mapping[str, Any], key: str) -> str:
    """A ratio with its interval, for example `1.40× (1.38–1.42)`."""
    value, bounds = facts.get(key), interval(facts, key)
    if value is None:
        return MISSING
    return f"{value:.2f}×" if bounds is None else f"{value:.2f}× ({bounds[0]:.2f}–{bounds[1]:.2f})"


def amount_with_interval(facts: Mapping[str, Any], key: str, unit: str) -> str:
    """`KEY_UNIT` of `facts` with `KEY_low_UNIT` and `KEY_high_UNIT`, for example `0.178 ms (0.175–0.190)`."""
    value, low, high = (facts.get(f"{key}{end}_{unit}") for end in ("", "_low", "_high"))
    text = plain(value) if value is None else f"{plain(value)}\u00a0{unit}"
    return text if low is None or high is None else f"{text} ({plain(low)}–{plain(high)})"


def rounded_up(count: int) -> str:
    """An estimated number as `ranking.rounded_up` has it, in words."""
    return f"{ranking.rounded_up(count):,}"
