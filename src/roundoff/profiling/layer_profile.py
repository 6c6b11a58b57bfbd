"""The profile: how long each layer of every built cell takes, and what its device reaches at best."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from roundoff.backend.base import Backend
from roundoff.cells.cell import find_cells
from roundoff.dataset.base import Images, Prepared
from roundoff.pipeline.limits import MOST_BATCH, MOST_LOADS, MOST_SECONDS, require
from roundoff.precision.base import Precision
from roundoff.results.layers import LayerRow, Profile
from roundoff.results.platform import Platform
from roundoff.system.device_lock import Locking
from roundoff.system.progress import track

INPUTS = 2  # that take turns


@dataclass(frozen=True)
class LayerProfile:
    """How layers are timed: not at all unless `enabled`.

    `batch_size` is the one of all runs: with fewer than 32 images what surrounds the layers is a large part of a run.
    Each cell runs for at least `seconds` and `least_runs` runs, in turn with and without looking at layers. With
    `roofline` each device's speed in large products and copies is measured, too, once for each machine. Other jobs
    that use the same `lock_directory` wait while this one is at work on a device; it waits for them `lock_timeout_s`
    seconds at most (None: without limit).
    """

    enabled: bool = False
    batch_size: int = 32
    seconds: float = 2.0
    least_runs: int = 10
    roofline: bool = True
    lock_directory: str | None = None
    lock_timeout_s: float | None = None

    def __post_init__(self) -> None:
        size, runs, seconds = self.batch_size, self.least_runs, self.seconds
        require(1 <= size <= MOST_BATCH, "profile.batch_size", size, f"at least 1, at most {MOST_BATCH}")
        require(2 <= runs <= MOST_LOADS, "profile.least_runs", runs, f"2 or more, up to {MOST_LOADS}")
        fitting = math.isfinite(seconds) and 0 < seconds <= MOST_SECONDS
        require(fitting, "profile.seconds", seconds, f"a number of seconds above 0, up to {MOST_SECONDS:g}")
        require(self.lock_directory != "", "profile.lock_directory", "''", "a directory, or null")
        patience = 0.0 if self.lock_timeout_s is None else self.lock_timeout_s
        expected = f"null, or 0 or more seconds, up to {MOST_SECONDS:g}"
        require(0 <= patience <= MOST_SECONDS, "profile.lock_timeout_s", self.lock_timeout_s, expected)

    def run(
        self,
        *,
        engines: Path,
        precisions: Mapping[str, Precision],
        backends: Mapping[str, Backend],
        prepared: Prepared,
        platform: Platform,
        before: Profile,
    ) -> tuple[Profile, list[LayerRow]]:
        """What holds of each cell under `engines`, and the rows of all; empty unless `enabled`.

        `before` is the last profile, whose rooflines hold on the same machine.
        """
        if not self.enabled:
            return Profile(), []
        from roundoff.profiling.looking import Looking
        from roundoff.profiling.measuring import Effort
        from roundoff.profiling.roofline import Rooflines

        effort = Effort(self.seconds, self.least_runs, Locking(self.lock_directory, self.lock_timeout_s))
        cells = find_cells(engines, precisions, backends)
        run = Looking(self._batches(prepared), platform, effort)
        for cell in track(cells, "layers"):
            run.look_at(cell)
        rooflines = {}
        if self.roofline:
            running = {cell.backend for cell in cells if run.told[cell.name].device}
            here = {name: backend for name, backend in backends.items() if name in running}
            rooflines = Rooflines(platform, effort, before, self.batch_size).of(run, precisions, here)
        profile = Profile(platform=platform.id, batch_size=self.batch_size, cells=run.told, rooflines=rooflines)
        return profile, run.rows

    def _batches(self, prepared: Prepared) -> list[Images]:
        """The first training images, again from the first where they do not suffice: uint8 [batch, H, W, C] each."""
        images = prepared.split("train").images
        places = np.arange(INPUTS * self.batch_size) % len(images)
        return [np.ascontiguousarray(images[part]) for part in places.reshape(INPUTS, -1)]
