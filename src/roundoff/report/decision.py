"""The verdict as the report reads it from verdict.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from roundoff.report.document import Tone

TONES: dict[str, Tone] = {"pass": "good", "fail": "bad", "undecided": "unsure", "unavailable": "muted"}
USES = ("balanced", "fastest", "reference")


@dataclass(frozen=True)
class Recommendation:
    """The cell recommended for one use with the rule that led there, or why there is none."""

    use: str
    cell: str | None
    reason: str


@dataclass(frozen=True)
class Decision:
    """What verdict.json says of cells (PRECISION/BACKEND), of the front and of the three uses."""

    content: Mapping[str, Any]

    def verdict(self, cell: str) -> str | None:
        """`pass`, `fail`, `undecided`, or None where there is no verdict."""
        found: str | None = self._cell(cell).get("verdict")
        return found

    def reasons(self, cell: str) -> list[str]:
        """Reasons in words."""
        return [str(reason) for reason in self._cell(cell).get("reasons") or []]

    @property
    def front(self) -> list[str]:
        """Cells on the Pareto front."""
        return list(self.content.get("front") or [])

    @property
    def target(self) -> str | None:
        """The target in words."""
        return self.content.get("target_words")

    @property
    def recommendations(self) -> list[Recommendation]:
        """One for each use, the balanced one first."""
        given = self.content.get("recommendations") or {}
        return [
            Recommendation(use, given[use].get("cell"), str(given[use].get("reason") or ""))
            for use in USES
            if use in given
        ]

    def _cell(self, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = (self.content.get("cells") or {}).get(name) or {}
        return found
