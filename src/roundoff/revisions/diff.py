"""Two sets of metrics side by side: what differs beyond the measured noise, and what must not be compared."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from roundoff.results.cell import CellMetrics
from roundoff.results.values import Outcome, bounds_of
from roundoff.revisions.figures import (
    ACCURACY_FIGURES,
    BATCH_FIGURES,
    CELL_FIGURES,
    ENERGY_FIGURES,
    SESSION_FIGURES,
    Figure,
    Holder,
)
from roundoff.revisions.revision import Snapshot
from roundoff.revisions.revision_context import Part, RevisionContext
from roundoff.system.slots import REFERENCE_PRECISION
from roundoff.verdict.ranking import SESSION_DRIFT

Judgement = Literal["better", "worse", "within noise", "unchanged", "noise unknown", "other machine", "not comparable"]

SESSION_CRITERIA = {"latency", "throughput", "energy"}
ANSWERS = {figure.name for figure in ACCURACY_FIGURES}
LASTING = {"status", *(figure.name for figure in CELL_FIGURES)}  # whatever was run or timed of a cell


@dataclass(frozen=True)
class Change:
    """One figure of one cell in both snapshots.

    `change` is b − a where `unit` is `points`, b ÷ a − 1 where it is `ratio`, None where that says nothing;
    [`low`, `high`] is its 95 % interval, where there is one.
    """

    cell: str
    figure: str
    a: float | str | None
    b: float | str | None
    change: float | None
    low: float | None
    high: float | None
    judgement: Judgement
    unit: Literal["points", "ratio"] = "ratio"


def compare(
    a: Snapshot,
    b: Snapshot,
    drift: float = SESSION_DRIFT,
    contexts: tuple[RevisionContext, RevisionContext] = (RevisionContext(), RevisionContext()),
) -> list[Change]:
    """Every figure that either snapshot has; between different fingerprints nothing is called better or worse.

    `contexts` are what a and b rest on: verdicts on different targets or test sets are not compared, nor are
    accuracies on different test sets.

    `drift` is the relative change that absolute figures may show between two sessions on one machine with a GPU.
    Without one they are not judged: whatever else ran on the CPU is in them, and the metrics do not know what that was.
    Nor are speed-ups where FP32's own time changed by more than `drift`: what slows the one down need not slow down
    the other as much. A cell that stopped early in one of both is not judged by its answers, times or verdict at all.
    """
    same_machine, on_cpu = a.machine == b.machine, not (a.has_gpu and b.has_gpu)
    apart = differing_contexts(a, b, contexts)
    changes = []
    for name in dict.fromkeys([*a.cells, *b.cells]):
        differences = [
            *_verdict_changes(name, a, b, contexts),
            *_cell_changes(name, a.cells.get(name), b.cells.get(name), drift),
        ]
        differences = [_in_another_context(change, apart) for change in differences]
        differences = [_unjudged(change) for change in differences] if on_cpu else differences
        differences = [_in_its_session(change, a, b, drift) for change in differences]
        stopped = [side.cells[name].stopped_early if name in side.cells else frozenset() for side in (a, b)]
        differences = [_of_another_length(change, *stopped) for change in differences]
        changes += differences if same_machine else [_elsewhere(change) for change in differences]
    return changes


def differing_contexts(a: Snapshot, b: Snapshot, contexts: tuple[RevisionContext, RevisionContext]) -> set[Part]:
    """Whether targets or test sets are known to differ; the latter also by the number of images."""
    apart = contexts[0].differs(contexts[1])
    samples = [{cell.accuracy.all_images for cell in side.cells.values() if cell.accuracy} for side in (a, b)]
    return apart | {"test set"} if all(samples) and samples[0] != samples[1] else apart


def differing_parts(a: Mapping[str, object], b: Mapping[str, object]) -> dict[str, tuple[object, object]]:
    """The parts of two fingerprints, or of two targets, that differ, by dotted name."""
    left, right = dict(_flat(a)), dict(_flat(b))
    names = [name for name in dict.fromkeys([*left, *right]) if name != "id"]
    return {name: (left.get(name), right.get(name)) for name in names if left.get(name) != right.get(name)}


def _verdict_changes(
    name: str, a: Snapshot, b: Snapshot, contexts: tuple[RevisionContext, RevisionContext]
) -> Iterator[Change]:
    """Only from pass to fail or back is a change: `undecided` may become either without any change of the model.

    What fails by absolute times or energy alone may do so by the drift of sessions.
    """
    before, after = (_verdict(side, name) for side in (a, b))
    if before is None or after is None:
        return
    judged: dict[tuple[str, str], Judgement] = {("pass", "fail"): "worse", ("fail", "pass"): "better"}
    judgement = "unchanged" if before == after else judged.get((before, after), "within noise")
    failed = [(side.failed or {}).get(name) for side in contexts]
    broken = failed[0] if before == "fail" else failed[1]
    if judgement in ("better", "worse") and broken and broken <= SESSION_CRITERIA:
        judgement = "noise unknown"
    yield Change(name, "verdict", before, after, None, None, None, judgement)


def _verdict(side: Snapshot, name: str) -> Outcome | None:
    outcome = side.verdict.cells.get(name)
    return outcome.verdict if outcome else None


def _cell_changes(name: str, a: CellMetrics | None, b: CellMetrics | None, drift: float) -> Iterator[Change]:
    yield from _status_changes(name, "status", *(cell.status if cell else "absent" for cell in (a, b)))
    if a is None or b is None:
        return
    for batch in sorted({*a.batches} & {*b.batches}):
        yield from _status_changes(name, f"batch {batch}: status", a.batches[batch].status, b.batches[batch].status)
    yield from _precision_changes(name, a, b)
    for prefix, figures, left, right in _parts(a, b):
        for figure in figures:
            change = _change(name, prefix, figure, left, right, drift)
            if change is not None:
                yield change


def _precision_changes(name: str, a: CellMetrics, b: CellMetrics) -> Iterator[Change]:
    """Where the type that a cell computes in is not known, it is what was asked for."""
    asked_for = name.partition("/")[0]
    before, after = (cell.effective_precision or asked_for for cell in (a, b))
    if a.measured and b.measured and before != after:
        yield Change(name, "computes as", before, after, None, None, None, "not comparable")


def _status_changes(name: str, figure: str, before: str, after: str) -> Iterator[Change]:
    """What was measured and now fails got worse, the reverse better; what cannot run here is no fault of the change."""
    judged: dict[tuple[str, str], Judgement] = {("measured", "failed"): "worse", ("failed", "measured"): "better"}
    if before != after:
        judgement = judged.get((before, after), "not comparable")
        yield Change(name, figure, before, after, None, None, None, judgement)


def _parts(a: CellMetrics, b: CellMetrics) -> Iterator[tuple[str, tuple[Figure, ...], Holder, Holder]]:
    yield "", ACCURACY_FIGURES, a.accuracy, b.accuracy
    yield "", CELL_FIGURES, a, b
    yield "", ENERGY_FIGURES, a.energy, b.energy
    for batch in sorted({*a.batches, *b.batches}):
        yield f"batch {batch}: ", BATCH_FIGURES, a.batches.get(batch), b.batches.get(batch)


def _change(cell: str, prefix: str, figure: Figure, a: Holder, b: Holder, drift: float) -> Change | None:
    before, after = _value(a, figure.name), _value(b, figure.name)
    name = prefix + figure.name
    if before is None and after is None:
        return None
    if before is None or after is None:
        return Change(cell, name, before, after, None, None, None, "not comparable")
    if figure.within and _apart(_value(a, figure.within), _value(b, figure.within)):
        return Change(cell, name, before, after, None, None, None, "not comparable")
    if before == after:
        return Change(cell, name, before, after, 0.0, None, None, "unchanged")
    if figure.kind != "share" and min(before, after) <= 0:
        return Change(cell, name, before, after, None, None, None, _without_ratio(figure, before, after))
    change = after - before if figure.kind == "share" else after / before - 1
    low, high = interval_of_change(figure, a, b, drift) or (None, None)
    unit: Literal["points", "ratio"] = "points" if figure.kind == "share" else "ratio"
    return Change(cell, name, before, after, change, low, high, _judgement(figure, change, low, high), unit)


def _value(holder: Holder, name: str) -> float | None:
    """A figure by its name; None where there is none."""
    figure: float | None = getattr(holder, name, None)
    return figure


def interval_of_change(figure: Figure, a: Holder, b: Holder, drift: float) -> tuple[float, float] | None:
    """The 95 % interval of a change from the intervals of both figures (MOVER: Zou and Donner, Stat. Med. 27, 2008).

    Shares by difference (for Wilson's intervals this is Newcombe's, Stat. Med. 17, 1998), ratios by their logarithms;
    absolute figures of two sessions by `drift`, or by the spread of either session's rounds where that is more; both
    are far wider than the interval of a median.
    """
    before, after = _value(a, figure.name), _value(b, figure.name)
    if before is None or after is None:
        return None
    if figure.kind == "exact":
        return after / before - 1, after / before - 1
    if figure.kind == "session":
        widest = 1 + max(drift, *(_value(side, "round_spread") or 0.0 for side in (a, b)))
        return after / before / widest - 1, after / before * widest - 1
    of_a, of_b = bounds_of(a, figure.name), bounds_of(b, figure.name)
    if of_a is None or of_b is None:
        return None
    if figure.kind == "share":
        return _difference(before, after, *of_a, *of_b)
    low, high = _difference(math.log(before), math.log(after), *(math.log(bound) for bound in (*of_a, *of_b)))
    return math.expm1(low), math.expm1(high)


def _difference(a: float, b: float, a_low: float, a_high: float, b_low: float, b_high: float) -> tuple[float, float]:
    return b - a - math.hypot(b - b_low, a_high - a), b - a + math.hypot(b_high - b, a - a_low)


def _judgement(figure: Figure, change: float, low: float | None, high: float | None) -> Judgement:
    if low is None or high is None:
        return "noise unknown"
    if low <= 0 <= high:
        return "within noise"
    return "better" if (change > 0) == figure.more_is_better else "worse"


def _apart(a: float | None, b: float | None) -> bool:
    return a is not None and b is not None and a != b


def _without_ratio(figure: Figure, before: float, after: float) -> Judgement:
    """Of a figure that is or becomes 0: only what has no noise is more or less."""
    if figure.kind != "exact":
        return "noise unknown"
    return "better" if (after > before) == figure.more_is_better else "worse"


def _in_another_context(change: Change, apart: set[Part]) -> Change:
    on: dict[str, set[Part]] = {
        "verdict": {"target", "test set", "reference", "chance margin"},
        "top1": {"test set"},
        "agreement": {"test set", "reference"},
        "drop": {"test set", "reference"},
    }
    if change.judgement == "unchanged" or not apart & on.get(change.figure, set()):
        return change
    return replace(change, change=None, low=None, high=None, judgement="not comparable")


def _unjudged(change: Change) -> Change:
    if change.judgement not in ("better", "worse") or change.figure.rsplit(" ", 1)[-1] not in SESSION_FIGURES:
        return change
    return replace(change, judgement="noise unknown")


def _of_another_length(change: Change, a: frozenset[str], b: frozenset[str]) -> Change:
    """What a shorter test set or timing may have moved is no change of the model; `a`, `b`: what stopped early."""
    place = change.figure.rpartition(": ")[0] or ("answers" if change.figure in ANSWERS else "")
    lasting = change.figure.rpartition(" ")[2] in LASTING
    apart = bool(a) != bool(b) or place in a ^ b or (change.figure == "verdict" and a != b)
    if change.judgement not in ("better", "worse") or lasting or not apart:
        return change
    return replace(change, change=None, low=None, high=None, judgement="not comparable")


def _in_its_session(change: Change, a: Snapshot, b: Snapshot, drift: float) -> Change:
    if change.judgement not in ("better", "worse") or not change.figure.endswith(": speedup"):
        return change
    size, backend = int(change.figure.split()[1].rstrip(":")), change.cell.partition("/")[2]
    times = [_fp32_time(side, backend, size) for side in (a, b)]
    if None in times or 1 / (1 + drift) <= (times[1] or 0) / (times[0] or 1) <= 1 + drift:
        return change
    return replace(change, judgement="noise unknown")


def _fp32_time(side: Snapshot, backend: str, size: int) -> float | None:
    cell = side.cells.get(f"{REFERENCE_PRECISION}/{backend}")
    batch = cell.batches.get(size) if cell else None
    return batch.device_p50_ms if batch else None


def _elsewhere(change: Change) -> Change:
    if change.judgement not in ("better", "worse"):
        return change
    return replace(change, judgement="other machine")


def _flat(value: object, prefix: str = "") -> list[tuple[str, object]]:
    if not isinstance(value, Mapping | list):
        return [(prefix, value)]
    children = value.items() if isinstance(value, Mapping) else enumerate(value)
    return [pair for key, child in children for pair in _flat(child, f"{prefix}.{key}" if prefix else str(key))]
