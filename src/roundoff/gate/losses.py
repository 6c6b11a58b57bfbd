"""Whether what ships got worse since another revision: accuracy, and speed over the same run's FP32.

Absolute times are not judged: those of two sessions say little. A loss is called one if the interval of the change
excludes none. With several comparisons a chance would find one somewhere, so the intervals are as wide as makes all
together 95 % (Bonferroni); and a loss of speed that is no larger than what a run's control differed by is noise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import NormalDist

from roundoff.gate.findings import Finding
from roundoff.measurement.statistics import CONFIDENCE, Z
from roundoff.results.message import Words
from roundoff.results.values import Outcome
from roundoff.revisions.change import Change
from roundoff.revisions.diff import compare, differing_contexts
from roundoff.revisions.revision import Snapshot
from roundoff.revisions.revision_context import RevisionContext

JUDGED = ("verdict", "status", "top1", "drop", "speedup")
Contexts = tuple[RevisionContext, RevisionContext]


def losses(
    before: Snapshot, after: Snapshot, contexts: Contexts, cells: Sequence[str], words: Words
) -> Iterator[Finding]:
    """A finding for each judged figure of the cells that are in both revisions, and one for each that is in one."""
    changes = [
        change
        for change in compare(before, after, contexts=contexts)
        if change.cell in cells and change.figure in JUDGED and change.a is not None
    ]
    tested = sum(change.change is not None for change in changes)
    floors = {name: max(_floor(before, name), _floor(after, name)) for name in cells}
    for change in changes:
        wide = widened(change, tested)
        outcome, judged = _judged(wide, floors[change.cell])
        yield Finding(change.cell, change.title, outcome, _words(wide, judged, words))
    for cell in cells:
        if cell not in before.cells:
            yield Finding(cell, "status", "pass", words("gate_new_cell", revision=before.revision))


def differences(before: Snapshot, after: Snapshot, contexts: Contexts, words: Words) -> Iterator[str]:
    """What both revisions do not share, and so keeps figures from being judged."""
    if before.machine != after.machine:
        yield words("gate_note_machine", revision=before.revision, before=before.machine, after=after.machine)
    if apart := sorted(differing_contexts(before, after, contexts)):
        parts = [words(f"context_{part.replace(' ', '_')}") for part in apart]
        yield words("gate_note_context", revision=before.revision, parts=words.listed(parts))


def widened(change: Change, tests: int) -> Change:
    """The change with the interval that it has as one of so many."""
    if change.change is None or change.low is None or change.high is None:
        return change
    factor = NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / 2 / tests) / Z
    if change.unit == "points":
        low, high = (change.change + factor * (end - change.change) for end in (change.low, change.high))
    else:
        middle = math.log1p(change.change)
        low, high = (math.expm1(middle + factor * (math.log1p(end) - middle)) for end in (change.low, change.high))
    return replace(change, low=low, high=high)


def _floor(snapshot: Snapshot, cell: str) -> float:
    """The largest share by which a control of the run made speeds differ where they do not."""
    judged = snapshot.verdict.cells.get(cell)
    return max((batch.noise_floor for batch in judged.batches.values()), default=0.0) if judged else 0.0


def _judged(change: Change, floor: float) -> tuple[Outcome, str]:
    """The outcome, and the code of the word for it."""
    if (change.figure, change.a, change.b) == ("verdict", "pass", "undecided"):
        return "undecided", "undecided"
    if change.change is not None and not _may_be_loss(change, floor):
        return "pass", "better" if change.judgement == "better" else "no_loss"
    if change.judgement in ("other machine", "not comparable", "noise unknown"):
        return "undecided", change.judgement.replace(" ", "_")
    if change.judgement == "worse":
        return "fail", "loss"
    return "pass", "better" if change.judgement == "better" else "no_loss"


def _may_be_loss(change: Change, floor: float) -> bool:
    """Whether the interval, and the noise floor of a ratio, leave only a loss."""
    if change.change is None or change.low is None or change.high is None:
        return change.change != 0
    if change.figure == "drop":
        return change.low > 0
    return change.high < 0 and (change.unit == "points" or -change.change > floor)


def _words(change: Change, judged: str, words: Words) -> str:
    figure = words(f"gate_figure_{change.figure}")
    if change.batch is not None:
        figure = words("gate_at_batch", figure=figure, batch=change.batch)
    values = {"figure": figure, "before": _value(change.a, change.figure), "after": _value(change.b, change.figure)}
    verdict = words(f"gate_judged_{judged}")
    if change.change is None or change.low is None or change.high is None:
        return words("gate_change", **values, judged=verdict)
    spread = {"change": _amount(change.change), "low": _amount(change.low), "high": _amount(change.high)}
    unit = words(f"gate_unit_{change.unit}")
    return words("gate_change_within", **values, **spread, unit=unit, judged=verdict)


def _value(value: float | str | None, name: str) -> str:
    if value is None or isinstance(value, str):
        return value or "–"
    return f"{value:.2f}×" if name == "speedup" else f"{100 * value:.2f} %"


def _amount(share: float) -> str:
    return f"{100 * share:+.2f}"
