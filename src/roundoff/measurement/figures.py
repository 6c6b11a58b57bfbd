"""The figures of the cells that were timed, from what was found of them on one device or on several."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial

from roundoff.measurement.answered import Answered
from roundoff.measurement.found import Found
from roundoff.measurement.latency import batch_metrics, batch_without_figures, speedup
from roundoff.measurement.plan import CellSpeed, SpeedPlan
from roundoff.measurement.race import Entrants
from roundoff.results.cell import Batch, Energy, Speedup
from roundoff.results.message import Message, message
from roundoff.results.run import AaControl
from roundoff.results.shortfall import Shortfall, tolerated
from roundoff.system.slots import REFERENCE_PRECISION

CONTROL = "aa_control"


def entry_name(cell: str, batch_size: int) -> str:
    """What a cell at a batch size is called in the timing loop, and its file of raw samples."""
    return f"{cell}/batch_{batch_size}"


def twin_of(cells: Sequence[Answered], plan: SpeedPlan) -> Answered | None:
    """The cell that is entered a second time as the control."""
    fp32 = [each for each in cells if each.cell.precision == REFERENCE_PRECISION]
    return fp32[0] if fp32 and plan.aa_control else None


def references_of(cells: Sequence[Answered], plan: SpeedPlan, names: Sequence[str]) -> dict[str, str]:
    """For each entry, the fp32 entry of the same backend and batch size; for the control, its twin."""
    pairs = [(each.name, f"{REFERENCE_PRECISION}/{each.cell.backend}") for each in cells]
    twin = twin_of(cells, plan)
    if twin is not None:
        pairs.append((CONTROL, twin.name))
    wanted = {entry_name(a, size): entry_name(b, size) for a, b in pairs if a != b for size in plan.batch_sizes}
    return {name: reference for name, reference in wanted.items() if {name, reference} <= set(names)}


def entrants_of(cells: Sequence[Answered], plan: SpeedPlan) -> Entrants:
    """The cells and the control at each batch size."""
    names = {each.name for each in cells}

    def at_each_size(chosen: frozenset[str]) -> frozenset[str]:
        return frozenset(entry_name(name, size) for name in chosen & names for size in plan.batch_sizes)

    return Entrants(
        sizes={entry_name(name, size): size for name in {*names, CONTROL} for size in plan.batch_sizes},
        passing=at_each_size(plan.passing),
        lossless=at_each_size(plan.lossless),
        controls={size: entry_name(CONTROL, size) for size in plan.batch_sizes},
    )


@dataclass
class Figures:
    """Makes figures of what was `found`; an entry of which none can be made is `missing` there from then on."""

    cells: Sequence[Answered]
    plan: SpeedPlan
    found: Found
    references: Mapping[str, str]
    warnings: Sequence[Message] = ()
    made: dict[str, Batch] = field(default_factory=dict)

    def batches(self, answered: Answered) -> dict[int, Batch]:
        """By batch size the figures of its raw samples, or why there are none."""
        entries = {size: entry_name(answered.name, size) for size in self.plan.batch_sizes}
        for size, entry in entries.items():
            if entry in self.found.timings and entry not in self.found.missing:
                with tolerated(message("doing_figures"), partial(self._leave_out, entry), self.plan.strict):
                    self.made[entry] = self._batch(answered, size)
        figures = {size: self._without_figures(entry) or self.made.get(entry) for size, entry in entries.items()}
        return {size: batch for size, batch in figures.items() if batch is not None}

    def _leave_out(self, entry: str, why: Shortfall) -> None:
        self.found.missing.setdefault(entry, why)

    def _without_figures(self, entry: str) -> Batch | None:
        missing = self.found.missing
        return batch_without_figures(missing[entry]) if entry in missing else None

    def _batch(self, answered: Answered, size: int) -> Batch:
        found, entry = self.found, entry_name(answered.name, size)
        # fp32 is its own reference: exactly 1, so that a table has no hole there.
        own = answered.cell.precision == REFERENCE_PRECISION
        base = entry if own else self.references.get(entry)
        reference = found.timings[base] if base and base not in found.missing else None
        builds = len(answered.cell.builds)
        batch = batch_metrics(found.timings[entry], reference, size, found.info[entry], found.repeated_rounds, builds)
        why = None if reference else self._no_reference(answered, size)
        said = [*batch.warnings, *self.warnings]
        return replace(batch, speedup_reason=why, warnings=said, **asdict(found.answers[entry]))

    def _no_reference(self, answered: Answered, size: int) -> Message:
        """Why there is no speed-up over FP32 on the same backend."""
        name = f"{REFERENCE_PRECISION}/{answered.cell.backend}"
        missing = self.found.missing.get(entry_name(name, size))
        if missing is None:
            return message("fp32_not_timed", cell=name, batch=size)
        return message(f"fp32_{missing.status}_at", cell=name, batch=size, reason=missing.reason)

    def speed(self, name: str, batches: dict[int, Batch], energy: Energy) -> CellSpeed:
        """All that was found of a cell."""
        loads = self.found.load_ms.get(name)
        return CellSpeed(
            load_ms=statistics.median(loads) if loads else None,
            memory_mb=self.found.memory_mb.get(name),
            energy=energy,
            batches=batches,
        )

    def aa_control(self) -> AaControl | None:
        """What the same engine, loaded twice, differs by."""
        twin, found = twin_of(self.cells, self.plan), self.found
        if twin is None:
            return None
        speedups: dict[int, Speedup] = {}
        for size in self.plan.batch_sizes:
            entry = entry_name(CONTROL, size)
            if entry in self.references and not {entry, self.references[entry]} & set(found.missing):
                speedups[size] = speedup(found.timings[entry], found.timings[self.references[entry]])
        return AaControl(cell=twin.name, batches=speedups)
