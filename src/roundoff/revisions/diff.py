"""Two sets of metrics side by side: what differs beyond the measured noise, and what must not be compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from roundoff.results.cell import CellMetrics
from roundoff.results.values import Outcome
from roundoff.revisions.change import Change, Judgement, change_of
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

SESSION_CRITERIA = {"latency", "throughput", "energy"}
ANSWERS = {figure.name for figure in ACCURACY_FIGURES}
LASTING = {"status", *(figure.name for figure in CELL_FIGURES)}  # whatever was run or timed of a cell


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
    yield from _status_changes(name, None, *(cell.status if cell else "absent" for cell in (a, b)))
    if a is None or b is None:
        return
    for batch in sorted({*a.batches} & {*b.batches}):
        yield from _status_changes(name, batch, a.batches[batch].status, b.batches[batch].status)
    yield from _precision_changes(name, a, b)
    for batch_size, figures, left, right in _parts(a, b):
        for figure in figures:
            change = change_of(name, batch_size, figure, left, right, drift)
            if change is not None:
                yield change


def _precision_changes(name: str, a: CellMetrics, b: CellMetrics) -> Iterator[Change]:
    """Where the type that a cell computes in is not known, it is what was asked for."""
    asked_for = name.partition("/")[0]
    before, after = (cell.effective_precision or asked_for for cell in (a, b))
    if a.measured and b.measured and before != after:
        yield Change(name, "computes as", before, after, None, None, None, "not comparable")


def _status_changes(name: str, batch: int | None, before: str, after: str) -> Iterator[Change]:
    """What was measured and now fails got worse, the reverse better; what cannot run here is no fault of the change."""
    judged: dict[tuple[str, str], Judgement] = {("measured", "failed"): "worse", ("failed", "measured"): "better"}
    if before != after:
        judgement = judged.get((before, after), "not comparable")
        yield Change(name, "status", before, after, None, None, None, judgement, batch=batch)


def _parts(a: CellMetrics, b: CellMetrics) -> Iterator[tuple[int | None, tuple[Figure, ...], Holder, Holder]]:
    yield None, ACCURACY_FIGURES, a.accuracy, b.accuracy
    yield None, CELL_FIGURES, a, b
    yield None, ENERGY_FIGURES, a.energy, b.energy
    for batch in sorted({*a.batches, *b.batches}):
        yield batch, BATCH_FIGURES, a.batches.get(batch), b.batches.get(batch)


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
    if change.judgement not in ("better", "worse") or change.figure not in SESSION_FIGURES:
        return change
    return replace(change, judgement="noise unknown")


def _of_another_length(change: Change, a: frozenset[int | str], b: frozenset[int | str]) -> Change:
    """What a shorter test set or timing may have moved is no change of the model; `a`, `b`: what stopped early."""
    apart = bool(a) != bool(b) or _part(change) in a ^ b or (change.figure == "verdict" and a != b)
    if change.judgement not in ("better", "worse") or change.figure in LASTING or not apart:
        return change
    return replace(change, change=None, low=None, high=None, judgement="not comparable")


def _part(change: Change) -> int | str | None:
    """The part of a cell that may stop early by itself, as `CellMetrics.stopped_early` names it."""
    return change.batch or ("answers" if change.figure in ANSWERS else None)


def _in_its_session(change: Change, a: Snapshot, b: Snapshot, drift: float) -> Change:
    if change.judgement not in ("better", "worse") or change.figure != "speedup" or change.batch is None:
        return change
    backend = change.cell.partition("/")[2]
    times = [_fp32_time(side, backend, change.batch) for side in (a, b)]
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
