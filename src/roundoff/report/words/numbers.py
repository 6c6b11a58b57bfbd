"""Numbers as a report prints them; a missing one is a dash."""

from __future__ import annotations

from roundoff.results.message import Words
from roundoff.results.values import bounds_of

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
    """A difference of fractions in percentage points, without its unit; signed, where it is not exactly 0."""
    if value is None:
        return MISSING
    return f"{100 * value:+.{digits}f}".replace("-", "−") if value else f"{0:.{digits}f}"


def percent_with_interval(owner: object, name: str) -> str:
    """The figure `name` of one of `results`' dataclasses, or of None: `97.22 % (95.0–98.5)`."""
    bounds = bounds_of(owner, name)
    value = percent(getattr(owner, name, None))
    return value if bounds is None else f"{value} ({100 * bounds[0]:.1f}–{100 * bounds[1]:.1f})"


def points_with_interval(owner: object, name: str) -> str:
    """For example `+0.28 (−0.83 … +1.39)`, in percentage points."""
    bounds = bounds_of(owner, name)
    value = points(getattr(owner, name, None))
    return value if bounds is None else f"{value} ({points(bounds[0])} … {points(bounds[1])})"


def times_with_interval(owner: object, name: str, words: Words) -> str:
    """A ratio with its interval, for example `1.40× (1.38–1.42)`."""
    value = getattr(owner, name, None)
    return MISSING if value is None else times(value, bounds_of(owner, name), words)


def times(value: float, bounds: tuple[float, float] | None, words: Words) -> str:
    """A ratio, with its bounds where there are any."""
    if bounds is None:
        return words("times", value=f"{value:.2f}")
    return words("times_within", value=f"{value:.2f}", low=f"{bounds[0]:.2f}", high=f"{bounds[1]:.2f}")


def amount_with_interval(owner: object, name: str, unit: str) -> str:
    """The figure NAME_UNIT with NAME_low_UNIT and NAME_high_UNIT, for example `0.178 ms (0.175–0.190)`."""
    value, bounds = getattr(owner, f"{name}_{unit}", None), bounds_of(owner, name, unit)
    text = plain(value) if value is None else f"{plain(value)}\u00a0{unit}"
    return text if bounds is None else f"{text} ({plain(bounds[0])}–{plain(bounds[1])})"


def out_of(part: int, whole: int, words: Words) -> str:
    """How many of a number: "all 12", "none of 12", "1 of 12"."""
    key = "count_none" if not part else "count_all" if part == whole else "count_some"
    return words(key, count=f"{whole:,}", **({"part": f"{part:,}"} if key == "count_some" else {}))


def rounded_up(count: int) -> str:
    """An estimated number: two significant digits, upwards, since it is an estimate and should look like one."""
    unit: int = 10 ** max(0, len(str(count)) - 2)
    return f"{-(-count // unit) * unit:,}"
