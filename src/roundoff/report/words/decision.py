"""The verdict as the report reads it from verdict.json, and its reasons in the report's language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from roundoff.report.render.document import Tone
from roundoff.report.words.numbers import MISSING, percent, plain, rounded_up
from roundoff.results.message import Words
from roundoff.verdict.ranking import images_needed

TONES: dict[str, Tone] = {"pass": "good", "fail": "bad", "undecided": "unsure"}
USES = ("balanced", "fastest", "reference")
SHARES = ("keep", "chance")
ACCURACY = ("keep", "points")
LIMITS = ("keep", "points", "latency_ms", "throughput_per_s", "size_mb", "memory_mb", "mj_per_image")


@dataclass(frozen=True)
class Recommendation:
    """The cell recommended for one use, or None.

    `tied` are cells as fast as it, `waiting` faster ones on which the data do not decide, `untimed` those that pass but
    were not timed at the ranked batch size, `failed` those that pass but failed there.
    """

    use: str
    cell: str | None
    tied: tuple[str, ...]
    waiting: tuple[str, ...]
    untimed: tuple[str, ...]
    failed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decision:
    """What verdict.json says of cells (PRECISION/BACKEND), of the front and of the three uses."""

    content: Mapping[str, Any]

    def verdict(self, cell: str) -> str | None:
        """`pass`, `fail`, `undecided`, or None where there is no verdict."""
        found: str | None = self._cell(cell).get("verdict")
        return found

    def same_speed(self, cell: str, batch: int) -> bool:
        """Whether the cell's speed cannot be told from its backend's FP32."""
        return bool((self._cell(cell).get("speed") or {}).get(f"batch_{batch}") == "not told apart")

    def reasons(self, cell: str, words: Words) -> list[str]:
        """What was found and what was asked for, a sentence for each question."""
        return [_reason(check, words) for check in self._cell(cell).get("checks") or []]

    def samples_needed(self, cell: str) -> str | None:
        """About how many test images would decide an undecided cell, to two digits; None where images alone do not."""
        count = images_needed({"checks": self._cell(cell).get("checks") or []})
        return rounded_up(count) if count else None

    def undecidable(self, cell: str) -> bool:
        """Whether the cell's accuracy is too close to the target for any number of test images to decide."""
        return any(_undecidable(check) for check in self._cell(cell).get("checks") or [])

    @property
    def front(self) -> list[str]:
        """Cells on the Pareto front."""
        return list(self.content.get("front") or [])

    @property
    def batch_size(self) -> int | None:
        """The batch size that cells are ranked at."""
        found: int | None = (self.content.get("target") or {}).get("batch_size")
        return found

    @property
    def recommendations(self) -> list[Recommendation]:
        """One for each use, the balanced one first."""
        given = self.content.get("recommendations") or {}
        return [_recommendation(use, given[use]) for use in USES if use in given]

    @property
    def shipped(self) -> Recommendation | None:
        """What to ship: the balanced cell, else the fastest; never a cell that only serves as the reference."""
        return next((choice for choice in self.recommendations if choice.cell and choice.use != "reference"), None)

    def target(self, words: Words) -> str:
        """The target in words."""
        given = self.content.get("target") or {}
        limits = {key: float(given[key]) for key in LIMITS if given.get(key) is not None}
        batch, percentile = given.get("batch_size"), given.get("latency_percentile")
        return words("list_separator").join(
            words(f"target_{key}", limit=_limit(key, limit), batch=batch, percentile=percentile)
            for key, limit in limits.items()
        )

    def _cell(self, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = (self.content.get("cells") or {}).get(name) or {}
        return found


def _recommendation(use: str, given: Mapping[str, Any]) -> Recommendation:
    keys = ("tied", "faster_if_decided", "untimed", "failed")
    return Recommendation(use, given.get("cell"), *(tuple(given.get(key) or ()) for key in keys))


def _reason(check: Mapping[str, Any], words: Words) -> str:
    """The check in the catalogue's words; a check that it does not know in the check's own."""
    name, found = check["name"], check["found"]
    if not words.known(f"check_{name}"):
        return words.said(str(check["reason"]))
    if found is None:
        return _unknown(check, words)
    if name == "accuracy":
        return words("check_accuracy")
    text = words(f"check_{name}", found=_amount(name, found) + _span(check, words), limit=_limit(name, check["limit"]))
    needed = check.get("samples_needed")
    if needed:
        return text + words("check_needed", count=rounded_up(needed))
    return text + (words("check_undecidable") if _undecidable(check) else "")


def _span(check: Mapping[str, Any], words: Words) -> str:
    """What the figure lies between, and what these ends are; that nothing bounds it where that is why it is open."""
    name, low, high = check["name"], check["low"], check["high"]
    if low is None or high is None:
        return words("span_unknown") if check["verdict"] == "undecided" else ""
    if low == high:
        return ""
    ends = f"{_bare(name, low)}–{_bare(name, high)}"
    return words("span_margin", ends=ends) if check.get("bounds") == "margin" else f" ({ends})"


def _undecidable(check: Mapping[str, Any]) -> bool:
    undecided = check.get("verdict") == "undecided" and check.get("found") is not None
    return undecided and check.get("name") in ACCURACY and not check.get("samples_needed")


def _unknown(check: Mapping[str, Any], words: Words) -> str:
    """A check without a figure: what is not known, why (from the check's own words), and what was asked for."""
    name, reason = check["name"], str(check["reason"])
    if not words.known(f"unknown_{name}"):
        return words.said(reason)
    why = reason.partition(" is not known: ")[2].rpartition("; target ")[0]
    return words(f"unknown_{name}", limit=_limit(name, check["limit"]), why=words.said(why) or words("unknown"))


def _bare(name: str, value: float) -> str:
    return f"{100 * value:.2f}" if name in SHARES else plain(value)


def _limit(name: str, value: float) -> str:
    """A limit as it was set, not rounded to the digits of a figure."""
    return f"{100 * value:.6g}\u00a0%" if name in SHARES else f"{value:,.6g}"


def _amount(name: str, value: float | None) -> str:
    if value is None:
        return MISSING
    return percent(value) if name in SHARES else plain(value)
