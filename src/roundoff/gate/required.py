"""The cell that is required, and whether it holds what was asked of it."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from roundoff.errors import DataError, RoundoffError
from roundoff.gate.findings import Finding
from roundoff.report.words.decision import Decision
from roundoff.report.words.naming import waiting_name
from roundoff.results.message import Words
from roundoff.results.values import Use
from roundoff.results.verdict import Recommendation
from roundoff.revisions.revision import Snapshot

USES: tuple[Use, ...] = ("balanced", "fastest")


def recommendation(required: str | None, snapshot: Snapshot) -> Recommendation:
    """What ships (None), what is recommended for a use, or the cell of that name, as the revision has it."""
    given = snapshot.verdict.recommendations
    if required is None:
        return Decision(snapshot.verdict).shipped or given.get("balanced", Recommendation(cell=None))
    return next((one for use, one in given.items() if use == required), Recommendation(cell=required))


def require_known(required: str | None, snapshot: Snapshot, option: str = "--require") -> None:
    """Raise RoundoffError unless `required`, which `option` asks for, is a use or a cell of the run."""
    known = [*USES, *snapshot.cells]
    if required is None or required in known:
        return
    near = get_close_matches(required, known, 1)
    raise RoundoffError(
        f"no cell {required} in {snapshot.revision}",
        received=f"{option} {required}",
        expected=f"one of {', '.join(known)}",
        fix=f"did you mean {near[0]}?" if near else "name one of these",
    )


def requirements(choice: Recommendation, snapshot: Snapshot, words: Words) -> Iterator[Finding]:
    """A finding for each criterion of the chosen cell's verdict, and for each batch size that failed.

    Raises DataError for a cell that cannot run on the machine, which no verdict is on.
    """
    if choice.cell is None:
        yield _none(choice, snapshot, words)
        return
    cell, judged = snapshot.cells[choice.cell], snapshot.verdict.cells[choice.cell]
    if judged.verdict is None:
        raise DataError(
            f"{choice.cell} was not measured, so nothing can be required of it",
            received=f"{cell.status}: {cell.reason}",
            expected="a cell that runs on the machine that the gate runs on",
            fix="require another cell, or measure on a machine that can run it",
        )
    reasons = Decision(snapshot.verdict).reasons(choice.cell, words)
    for criterion, reason in zip(judged.criteria, reasons, strict=True):
        yield Finding(choice.cell, criterion.name, criterion.verdict, reason)
    if cell.status == "failed":
        yield Finding(choice.cell, "status", "fail", words("gate_failed", reason=cell.reason))
    for size, batch in cell.failed_batches.items():
        yield Finding(choice.cell, f"batch {size}", "fail", words("gate_failed", reason=batch.reason))


def _none(choice: Recommendation, snapshot: Snapshot, words: Words) -> Finding:
    decision = Decision(snapshot.verdict)
    if choice.undecided:
        waiting = [waiting_name(cell, decision, words) for cell in choice.undecided]
        return Finding("", "a cell that passes", "undecided", words("answer_undecided", cells=words.listed(waiting)))
    return Finding("", "a cell that passes", "fail", words("gate_none"))


def waiting_notes(choice: Recommendation, snapshot: Snapshot, words: Words) -> Iterator[str]:
    """What would be faster than the chosen cell, and is not decided; and the slices on which the cell loses."""
    judged = snapshot.verdict.cells.get(choice.cell or "")
    if judged and judged.warnings:
        yield words("note_slices", cell=choice.cell, text=words.sentences(judged.warnings))
    if choice.cell is not None and choice.undecided:
        waiting = [waiting_name(cell, Decision(snapshot.verdict), words) for cell in choice.undecided]
        yield words("answer_waiting", cells=words.listed(waiting))
