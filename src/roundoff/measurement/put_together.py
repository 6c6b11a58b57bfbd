"""The cells' metrics put together from what each step found: the build, the answers, the timing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from roundoff.cells.cell import RERUN, Cell, left_out
from roundoff.dataset.base import Labels
from roundoff.errors import GateError
from roundoff.measurement.accuracy import accuracy
from roundoff.measurement.answered import Answered
from roundoff.measurement.plan import CellSpeed
from roundoff.measurement.stopping import EarlyStop
from roundoff.results.cell import Accuracy, Batch, CellMetrics, Energy
from roundoff.results.message import Message, message
from roundoff.results.shortfall import Shortfall
from roundoff.system.slots import REFERENCE_PRECISION

if TYPE_CHECKING:
    from roundoff.measurement.speed import DeviceSpeed

NOT_TIMED = CellSpeed(energy=Energy(reason=message("accuracy_only")))


@dataclass(frozen=True)
class Parts:
    """What the steps found: answers, accuracies and timing by cell name, and why cells are missing.

    `speeds` lacks the cells that were not to be timed.
    """

    answered: Sequence[Answered]
    accuracies: Mapping[str, Accuracy]
    missing: Mapping[str, Shortfall]
    speeds: Mapping[str, CellSpeed]


def accuracies_of(
    answered: Sequence[Answered], reference: str, labels: Labels, stop: EarlyStop | None = None
) -> dict[str, Accuracy]:
    """Accuracy by cell name, the reference's alone and the others' against it; FP32 never stops early.

    A coarse precision that falls to chance while FP32 does not is a finding, not a fault: its row shows it.
    """
    wide = next(each.logits for each in answered if each.name == reference)

    def of(each: Answered) -> Accuracy:
        if stop is not None and each.cell.precision != REFERENCE_PRECISION:
            return stop.accuracy(each.logits, each.rows)
        return accuracy(each.logits, labels, None if each.name == reference else wide)

    return {each.name: of(each) for each in answered}


def merged_speeds(speeds: Sequence[DeviceSpeed]) -> dict[str, CellSpeed]:
    """One for each cell from several devices: batch sizes side by side, energy at the largest, the most memory."""
    merged: dict[str, CellSpeed] = {}
    for speed in speeds:
        for name, part in speed.cells.items():
            known = merged.get(name)
            merged[name] = part if known is None else _merged(known, part)
    return merged


def _merged(a: CellSpeed, b: CellSpeed) -> CellSpeed:
    memories = [each.memory_mb for each in (a, b) if each.memory_mb is not None]
    return CellSpeed(
        load_ms=b.load_ms if a.load_ms is None else a.load_ms,
        memory_mb=max(memories, default=None),
        energy=max((a.energy, b.energy), key=lambda energy: energy.batch_size or 0),
        batches=a.batches | b.batches,
    )


def put_together(cells: Sequence[Cell], parts: Parts) -> dict[str, CellMetrics]:
    """The metrics of all cells by name."""
    rows = {cell.name: _row(cell, parts) for cell in cells}
    fp32 = {cell.backend: cell.name for cell in cells if cell.precision == REFERENCE_PRECISION}
    return {
        cell.name: _without_reference(rows[cell.name], fp32[cell.backend], rows[fp32[cell.backend]])
        if cell.backend in fp32 and cell.name != fp32[cell.backend]
        else rows[cell.name]
        for cell in cells
    }


def _row(cell: Cell, parts: Parts) -> CellMetrics:
    if not cell.built.measured:
        return cell.built
    if cell.name in parts.missing:
        return left_out(cell.built, parts.missing[cell.name])
    answers = next(each for each in parts.answered if each.name == cell.name)
    speed = parts.speeds.get(cell.name, NOT_TIMED)
    row = replace(
        cell.built,
        effective_precision=answers.effective_precision,
        numerics=answers.numerics,
        accuracy=parts.accuracies[cell.name],
        load_ms=speed.load_ms,
        memory_mb=speed.memory_mb,
        energy=speed.energy,
        batches=speed.batches,
    )
    return _failed_where_none_ran(row)


def _failed_where_none_ran(row: CellMetrics) -> CellMetrics:
    """A cell that was to be timed, and was at no batch size though some should work, is a failed one.

    What is known of its batch sizes and of its accuracy stays.
    """
    failed = [batch for batch in row.batches.values() if batch.status == "failed"]
    if not failed or any(batch.status == "measured" for batch in row.batches.values()):
        return row
    why = Shortfall("failed", failed[0].reason or message("unknown"), failed[0].detail)
    return replace(row, status="failed", reason=why.reason, detail=why.detail, rerun=why.rerun(RERUN))


def _without_reference(row: CellMetrics, name: str, fp32: CellMetrics) -> CellMetrics:
    """Where a backend's FP32 is not measured at all, why is why there are no speed-ups over it."""
    if fp32.measured:
        return row
    why = message(f"fp32_{fp32.status}", cell=name, reason=fp32.reason)
    return replace(row, batches={size: _explained(batch, why) for size, batch in row.batches.items()})


def _explained(batch: Batch, why: Message) -> Batch:
    return replace(batch, speedup_reason=why) if batch.status == "measured" else batch


def refuse_empty(rows: Mapping[str, CellMetrics]) -> None:
    """Raise GateError where no cell was measured."""
    if any(row.measured for row in rows.values()):
        return
    raise GateError(
        "nothing could be measured",
        received="; ".join(f"{name} {row.status}: {row.reason} ({row.detail})" for name, row in rows.items()),
        expected="a cell that runs",
        fix="mend one of these cells; the metrics of before stay as they were",
    )
