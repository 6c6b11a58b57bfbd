"""What the campaign asks of its result, and the table that the documentation shows of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.hostile.case import OUTCOMES
from benchmarks.hostile.families import FAMILIES
from benchmarks.journal import Row

LEAST_CASES = 1000
LEAST_SETTINGS = 250
HEADINGS = ("family", "tried", "refused in words", "accepted rightly", "traceback", "wrong")
FAULTS = ("traceback", "wrong")


def result_of(rows: Sequence[Row]) -> dict[str, Any]:
    """Counts by family and outcome, and every case that went wrong with its words."""
    counted = {family: Counter(row["outcome"] for row in rows if row["family"] == family) for family in FAMILIES}
    counts = {family: {name: found[name] for name in OUTCOMES} for family, found in counted.items() if found.total()}
    unfinished = [family for family in counts if not counted[family]["done"]]
    return {
        "counts": counts,
        "unfinished": unfinished,
        "faults": [row for row in rows if row["outcome"] in FAULTS],
    }


def targets(result: dict[str, Any]) -> dict[str, bool]:
    """Each target in words, and whether it was met."""
    counts = result["counts"]
    every = {name: sum(found[name] for found in counts.values()) for name in OUTCOMES}
    tried, settings = sum(every.values()), sum(counts.get("settings", {}).values())
    untried = _untried(result)
    return {
        f"every family was tried to its end (not: {', '.join(untried) or 'none'})": not untried,
        f"at least {LEAST_CASES} cases ({tried})": tried >= LEAST_CASES,
        f"at least {LEAST_SETTINGS} settings ({settings})": settings >= LEAST_SETTINGS,
        f"no traceback ({every['traceback']})": every["traceback"] == 0,
        f"nothing wrong ({every['wrong']})": every["wrong"] == 0,
    }


def table(result: dict[str, Any]) -> str:
    """Markdown: one row for each family, and the sum."""
    counts = result["counts"]
    rows = [_row(FAMILIES[family], found) for family, found in counts.items() if family in FAMILIES]
    total = {name: sum(found[name] for found in counts.values()) for name in OUTCOMES}
    ruler = _line("---", *["---:"] * (len(HEADINGS) - 1))
    lines = [_line(*HEADINGS), ruler, *rows, _row("**together**", total)]
    untried = _untried(result)
    return "\n".join([*lines, *(["", f"Not tried to the end yet: {', '.join(untried)}."] if untried else [])])


def _untried(result: dict[str, Any]) -> list[str]:
    """Families of which not every case was tried."""
    return [family for family in FAMILIES if family not in result["counts"] or family in result["unfinished"]]


def _row(name: str, found: Mapping[Any, int]) -> str:
    return _line(name, f"{sum(found.values()):,}", *(f"{found[outcome]:,}" for outcome in OUTCOMES))


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
