"""The verdict as the report reads it, and its reasons in the report's language."""

from __future__ import annotations

from dataclasses import dataclass

from roundoff.report.render.document import Tone
from roundoff.report.words.numbers import MISSING, percent, plain, rounded_up
from roundoff.results.message import Words, message
from roundoff.results.values import Outcome, Use
from roundoff.results.verdict import CellVerdict, Criterion, Recommendation, Verdict

TONES: dict[Outcome, Tone] = {"pass": "good", "fail": "bad", "undecided": "unsure"}
USES: tuple[Use, ...] = ("balanced", "fastest", "throughput", "smallest", "energy", "reference")
SHARES = ("min_relative_accuracy", "min_agreement", "chance")
ACCURACY = ("min_relative_accuracy", "max_drop_points", "min_agreement")
LIMITS = (*ACCURACY, "max_slice_drop_points", "latency_ms", "throughput_per_s", "size_mb", "memory_mb", "mj_per_image")


@dataclass(frozen=True)
class Decision:
    """What verdict.json says of cells (PRECISION/BACKEND), of the front, of the uses and of each batch size."""

    given: Verdict | None

    def verdict(self, cell: str) -> Outcome | None:
        """`pass`, `fail`, `undecided`, or None where there is no verdict."""
        judged = self._cell(cell)
        return judged.verdict if judged else None

    def same_speed(self, cell: str, batch: int) -> bool:
        """Whether the cell's speed cannot be told from its backend's FP32."""
        judged = self._cell(cell)
        return bool(judged and batch in judged.batches and judged.batches[batch].speed == "not told apart")

    def reasons(self, cell: str, words: Words) -> list[str]:
        """What was found and what was asked for, a sentence for each criterion."""
        return [_reason(criterion, words) for criterion in self._criteria(cell)]

    def samples_needed(self, cell: str) -> str | None:
        """About how many test images would decide an undecided cell, to two digits; None where images alone do not."""
        judged = self._cell(cell)
        return rounded_up(judged.samples_needed) if judged and judged.samples_needed else None

    def undecidable(self, cell: str) -> bool:
        """Whether the cell's accuracy is too close to the target for any number of test images to decide."""
        return any(map(_undecidable, self._criteria(cell)))

    @property
    def front(self) -> list[str]:
        """Cells on the Pareto front."""
        return self.given.front if self.given else []

    @property
    def has_budgets(self) -> bool:
        """Whether anything but accuracy was asked for."""
        target = self.given.target if self.given else None
        return any(getattr(target, name, None) is not None for name in LIMITS[len(ACCURACY) :])

    @property
    def batch_size(self) -> int | None:
        """The batch size that cells are ranked at."""
        return self.given.target.batch_size if self.given and self.given.target else None

    @property
    def recommendations(self) -> dict[Use, Recommendation]:
        """By use, the balanced one first."""
        given = self.given.recommendations if self.given else {}
        return {use: given[use] for use in USES if use in given}

    @property
    def shipped(self) -> Recommendation | None:
        """What to ship; None where there is no verdict."""
        return self.given.shipped if self.given else None

    @property
    def shipped_name(self) -> str | None:
        """The cell that ships at the batch size that cells are ranked at."""
        return self.shipped.cell if self.shipped else None

    def shipped_at(self, batch: int) -> str | None:
        """The cell that ships at a batch size; where the verdict tells of one size alone, at that one."""
        if self.given and self.given.batches:
            choice = self.given.batches.get(batch)
            return choice.cell if choice else None
        return self.shipped_name if batch == self.batch_size else None

    def target(self, words: Words) -> str:
        """The target in words."""
        target = self.given.target if self.given else None
        if target is None:
            return ""
        limits = {key: getattr(target, key) for key in LIMITS}
        at = {"batch": target.batch_size, "percentile": target.latency_percentile}
        asked = {key: _limit(key, limit) for key, limit in limits.items() if limit is not None}
        return words.listed(words(f"target_{key}", limit=limit, **at) for key, limit in asked.items())

    def _cell(self, name: str) -> CellVerdict | None:
        return self.given.cells.get(name) if self.given else None

    def _criteria(self, name: str) -> list[Criterion]:
        judged = self._cell(name)
        return judged.criteria if judged else []


def _reason(criterion: Criterion, words: Words) -> str:
    name, value = criterion.name, criterion.value
    if value is None:
        return _unknown(criterion, words)
    if name == "accuracy":
        return words("criterion_accuracy")
    value_words = _amount(name, value) + _span(criterion, words)
    text = words.sentence(message(f"criterion_{name}", found=value_words, limit=_limit(name, criterion.limit)))
    if criterion.samples_needed:
        return text + words("criterion_needed", count=rounded_up(criterion.samples_needed))
    return text + (words("criterion_undecidable") if _undecidable(criterion) else "")


def _span(criterion: Criterion, words: Words) -> str:
    """What the figure lies between, and what these ends are; that nothing bounds it where that is why it is open."""
    name, low, high = criterion.name, criterion.low, criterion.high
    if low is None or high is None:
        return words("span_unknown") if criterion.verdict == "undecided" else ""
    if low == high:
        return ""
    ends = f"{_bare(name, low)}–{_bare(name, high)}"
    return words("span_margin", ends=ends) if criterion.bounds == "margin" else f" ({ends})"


def _undecidable(criterion: Criterion) -> bool:
    undecided = criterion.verdict == "undecided" and criterion.value is not None
    return undecided and criterion.name in ACCURACY and not criterion.samples_needed


def _unknown(criterion: Criterion, words: Words) -> str:
    """A criterion without a figure: what is not known, why, and what was asked for."""
    key, why = f"unknown_{criterion.name}", words.sentence(criterion.reason or message("unknown"))
    if not words.known(key):
        return why
    return words(key, limit=_limit(criterion.name, criterion.limit), why=why)


def _bare(name: str, value: float) -> str:
    return f"{100 * value:.2f}" if name in SHARES else plain(value)


def _limit(name: str, value: float | None) -> str:
    """A limit as it was set, not rounded to the digits of a figure."""
    if value is None:
        return MISSING
    return f"{100 * value:.6g}\u00a0%" if name in SHARES else f"{value:,.6g}"


def _amount(name: str, value: float) -> str:
    return percent(value) if name in SHARES else plain(value)
