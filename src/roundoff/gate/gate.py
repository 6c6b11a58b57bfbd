"""The gate: does what ships hold what was asked of it, and did it get worse?"""

from __future__ import annotations

from pathlib import Path

from roundoff.errors import DataError
from roundoff.gate.findings import Gate
from roundoff.gate.losses import differences, losses
from roundoff.gate.required import recommendation, require_known, requirements, waiting_notes
from roundoff.report.sections.machine import machine_name
from roundoff.results.message import Words
from roundoff.revisions.revision import Snapshot, snapshot
from roundoff.revisions.revision_context import RevisionContext, revision_context


def check(project: Path, metrics: str, required: str | None, against: str | None, words: Words) -> Gate:
    """The gate on the metrics in the workspace; `against` is a revision, or None. Raises DataError, RoundoffError."""
    now = judged(snapshot(project, metrics, None))
    if against is None:
        return gate(now, required, words)
    before = judged(snapshot(project, metrics, against))
    contexts = revision_context(project, metrics, before), revision_context(project, metrics, now)
    return gate(now, required, words, before, contexts)


def gate(
    now: Snapshot,
    required: str | None,
    words: Words,
    before: Snapshot | None = None,
    contexts: tuple[RevisionContext, RevisionContext] = (RevisionContext(), RevisionContext()),
) -> Gate:
    """The gate on one revision, held against another where there is one.

    Of the other revision what counts is the cell that it ships for the same use: another one that is as good does not
    make up for its loss in silence.
    """
    require_known(required, now)
    choice = recommendation(required, now)
    findings, notes = [*requirements(choice, now, words)], [*waiting_notes(choice, now, words)]
    if before is not None:
        cells = dict.fromkeys([recommendation(required, before).cell, choice.cell])
        findings += losses(before, now, contexts, [cell for cell in cells if cell is not None], words)
        notes += differences(before, now, contexts, words)
    machine = machine_name(now.metrics.platform, words)
    return Gate(choice.cell, tuple(findings), machine, before.revision if before else None, tuple(notes))


def judged(snapshot: Snapshot) -> Snapshot:
    """The snapshot, if the verdict is on those cells; raises DataError."""
    if set(snapshot.verdict.cells) == set(snapshot.cells) and snapshot.verdict.platform in (None, snapshot.machine):
        return snapshot
    raise DataError(
        f"the verdict of {snapshot.revision} is not on its metrics",
        received="a verdict on other cells, or of another machine" if snapshot.verdict.cells else "no verdict.json",
        expected="verdict.json, as the report stage writes it from these metrics",
        fix="run `dvc repro report`"
        + ("" if snapshot.commit is None else " there and commit it, or name another revision"),
    )
