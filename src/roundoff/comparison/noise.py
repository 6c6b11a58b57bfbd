"""What one engine's speed-ups differ by between runs on one machine: smaller differences tell nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from roundoff.comparison.compared import Compared
from roundoff.comparison.run import Run
from roundoff.comparison.touched import same_engine
from roundoff.system.slots import REFERENCE_PRECISION


@dataclass(frozen=True)
class Noise:
    """The cell of a machine that varied most though its engine and its backend's FP32 engine stayed the same.

    `low` and `high` are its least and its largest speed-up, end to end, in so many `runs`.
    """

    machine: str
    cell: str
    runs: int
    low: float
    high: float


def noise_of(compared: Compared) -> list[Noise]:
    """One for each machine on which any engine was measured in two runs."""
    found = []
    for machine, numbers in compared.machines.items():
        each = [noise for cell in compared.cells for noise in _of_cell(machine, cell, compared.runs, numbers)]
        found += sorted(each, key=lambda noise: noise.high / noise.low)[-1:]
    return found


def _of_cell(machine: str, cell: str, runs: Sequence[Run], numbers: Sequence[int]) -> Iterator[Noise]:
    """One for each engine of the cell that several of the runs share, with its backend's FP32 engine."""
    precision, _, backend = cell.partition("/")
    left = [runs[n] for n in numbers if precision != REFERENCE_PRECISION and _speedup(runs[n], cell)]
    while left:
        first, *others = left
        alike = [first, *(run for run in others if _alike(first, run, cell, f"{REFERENCE_PRECISION}/{backend}"))]
        left = [run for run in others if all(run is not one for one in alike)]
        speeds = [speed for run in alike if (speed := _speedup(run, cell))]
        if len(speeds) > 1:
            yield Noise(machine, cell, len(speeds), min(speeds), max(speeds))


def _alike(a: Run, b: Run, *cells: str) -> bool:
    return a.batch_size == b.batch_size and all(same_engine(a, b, cell) for cell in cells)


def _speedup(run: Run, cell: str) -> float | None:
    timing = run.timing(cell)
    return timing.end_to_end_speedup if timing else None
