"""What the gate asked, and what it found."""

from __future__ import annotations

from dataclasses import dataclass

from roundoff.results.values import Outcome

WORST: tuple[Outcome, ...] = ("fail", "undecided", "pass")


@dataclass(frozen=True)
class Finding:
    """One question on a cell (or on the run, ""), such as `size`, the answer, and what it rests on in words."""

    cell: str
    asked: str
    outcome: Outcome
    said: str

    @property
    def name(self) -> str:
        """Cell and question."""
        return f"{self.cell}: {self.asked}" if self.cell else self.asked

    @property
    def sentence(self) -> str:
        """Cell and answer."""
        return f"{self.cell}: {self.said}" if self.cell else self.said


@dataclass(frozen=True)
class Gate:
    """All that was asked of what is to ship, the cell `cell` (None: there is none); `notes` decide nothing.

    `revision` is what it was held against, None where it was not.
    """

    cell: str | None
    findings: tuple[Finding, ...]
    machine: str
    revision: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """The worst of the findings."""
        return next((finding.outcome for finding in self.worst_first), "pass")

    @property
    def worst_first(self) -> list[Finding]:
        """The findings, those that fail before those that are undecided."""
        return sorted(self.findings, key=lambda finding: WORST.index(finding.outcome))
