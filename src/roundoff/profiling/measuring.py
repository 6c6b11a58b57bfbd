"""The layers of one cell, timed in turn with the same run as a whole."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from roundoff.backend.base import Binding, LayerTime, LayerTimer, Milliseconds
from roundoff.cells.cell import Cell
from roundoff.dataset.base import Images
from roundoff.results.layers import CellLayers
from roundoff.results.platform import Platform
from roundoff.system.device_lock import ANYWHERE, Locking, device_lock
from roundoff.system.gc_pause import collector_paused

WARM_UP = 3  # runs that are not counted
TURN_MS = 5.0  # of runs at least, before the other's turn comes
MOST_RUNS = 1000


@dataclass(frozen=True)
class Effort:
    """For at least `seconds` and `least_runs` runs."""

    seconds: float
    least_runs: int
    locking: Locking = ANYWHERE


@dataclass
class Whole:
    """Milliseconds of whole runs, a median per turn of `runs`: enqueued, and replayed where there is a CUDA graph."""

    runs: int
    enqueued: list[float] = field(default_factory=list)
    replayed: list[float] = field(default_factory=list)

    def turn(self, binding: Binding) -> None:
        """One turn."""
        middle = float(np.median(binding.device_only(self.runs)))
        enqueued = binding.info().enqueued_device_ms
        if enqueued is not None:
            self.replayed.append(middle)
        self.enqueued.append(middle if enqueued is None else enqueued)

    def share_of(self, sums: Milliseconds) -> float:
        """What the layers add up to over the whole run: by turns, since both then met the same machine."""
        turns = np.median(sums.reshape(-1, self.runs), axis=1)
        return float(np.median(turns / np.array(self.enqueued)))


def measured(
    cell: Cell, platform: Platform, batches: Sequence[Images], effort: Effort
) -> tuple[CellLayers, list[LayerTime]]:
    """What holds of the cell as a whole, and its layers, without the runs that warm up; raises as loading does."""
    with cell.open(platform) as runner, device_lock(runner.device, effort.locking), collector_paused():
        with runner.bind(batches) as binding, cell.loader.layer_times(cell.directory, batches) as timer:
            whole = _in_turn(binding, timer, effort)
            layers = timer.layers()
        counted = [_without_warm_up(layer) for layer in layers]
        sums: Milliseconds = np.sum([layer.times_ms for layer in counted], axis=0)
        told = CellLayers(
            status="measured",
            device=runner.device,
            runs=len(sums),
            layers_ms=float(np.median(sums)),
            whole_ms=float(np.median(whole.enqueued)),
            replay_ms=float(np.median(whole.replayed)) if whole.replayed else None,
            covered=whole.share_of(sums),
        )
        return told, counted


def _in_turn(binding: Binding, timer: LayerTimer, effort: Effort) -> Whole:
    """Runs with and without looking at layers, so that both meet the same machine."""
    turn = int(np.clip(TURN_MS / np.median(binding.device_only(WARM_UP)), 1, 50))
    timer.run(WARM_UP)
    whole, end = Whole(turn), time.perf_counter() + effort.seconds
    while (done := turn * len(whole.enqueued)) < effort.least_runs or (time.perf_counter() < end and done < MOST_RUNS):
        whole.turn(binding)
        timer.run(turn)
    return whole


def _without_warm_up(layer: LayerTime) -> LayerTime:
    return LayerTime(**{**vars(layer), "times_ms": layer.times_ms[WARM_UP:]})
