"""Interleaved timing over fresh loads: rounds over all engines and batch sizes, until every speed-up is known.

Two loads of one engine differ, by where its memory lies, more than two rounds of one load do. So all engines are loaded
anew again and again, and the load, not the round, is what intervals are taken over.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np

from roundoff.backend.base import Binding, Milliseconds
from roundoff.measurement.enough import Enough, Schedule
from roundoff.measurement.race import Entrants
from roundoff.measurement.samples import Block, Timing
from roundoff.system.at_work import at_work
from roundoff.system.gc_pause import collector_paused

Clock = Callable[[], float]
Fresh = Callable[[Sequence[str]], AbstractContextManager[Mapping[str, Binding]]]
Found = TypeVar("Found")
MODES = 3
MOST_REPEATS = 3
OVERTIME = 1.5
FEWEST_ROUNDS = 2
EARLY_SLICES = 2  # loads that may be the last are so many times shorter: they differ more than rounds do
WARMUP_BLOCKS = 3  # fewer say too little of how long a run takes
SPARE, MOST_OF_EVEN = 1.02, 1.5  # of what is missing of a minimum; of an even share, lest loads differ much
SETTLE_MS = 0.5  # of runs after another engine's meet its caches, and are not counted: at least one


class Monitor(Protocol):
    """Watches a device between rounds."""

    def disturbed(self) -> bool:
        """Read the device; True if what throttles it changed since the last reading."""


def raise_it(name: str, error: Exception) -> None:
    """Let what an entry raised end the timing of all."""
    raise error


@dataclass
class Interleaved(Enough):
    """Times entries against each other on one device.

    `fresh(names)` loads the named engines anew and gives their bindings, less those that do not fit beside the others,
    which are left out from then on; `references` names for an entry the one that it is compared with. An entry that
    raises is handed to `on_error` with what it raised, and left out from then on, too, with all its figures.
    `between_loads` returns seconds in which other jobs worked, which do not count. `entrants` race where an entry may
    stop early.
    """

    names: Sequence[str]
    fresh: Fresh
    references: Mapping[str, str]
    schedule: Schedule
    monitor: Monitor
    seed: int | Sequence[int]
    clock: Clock = time.perf_counter
    on_error: Callable[[str, Exception], None] = raise_it
    between_loads: Callable[[], float] = lambda: 0.0
    entrants: Entrants = field(default_factory=Entrants)
    repeated_rounds: int = 0
    loads: int = 0
    timings: dict[str, Timing] = field(default_factory=dict)
    next_check: int = 0
    _pace_s: dict[str, float] = field(default_factory=dict)  # wall time of a run
    _counted_s: dict[str, float] = field(default_factory=dict)  # of it what a counted run adds to `Timing.seconds`
    _runs: dict[str, int] = field(default_factory=dict)
    _settling: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._order = np.random.default_rng(self.seed)
        self.begin()

    def run(self, on_load: Callable[[float], None] = lambda share: None) -> dict[str, Timing]:
        """Load, warm up, time in rounds, again; `on_load` is told the share of the time budget that has passed."""
        started, active, away_s = self.clock(), list(self.names), 0.0
        while active:
            active = self.load(active)
            elapsed = self.clock() - started - away_s
            on_load(elapsed / self.schedule.budget_seconds)
            active = self.still(active, elapsed)
            away_s += self.between_loads() if active else 0.0
        self.end()
        return self.timings

    def load(self, names: Sequence[str]) -> list[str]:
        """One load of the named entries in changing order (the first finds the better memory): those that took part."""
        with self.fresh([names[i] for i in self._order.permutation(len(names))]) as given:
            bounds = {name: given[name] for name in names if name in given}
            for name in list(bounds):
                self._attempt(bounds, name, self._warm_up)
            rounds = self._plan(list(bounds))
            self.monitor.disturbed()
            for _ in range(rounds):
                present = list(bounds)
                self._round(bounds, [present[i] for i in self._order.permutation(len(present))])
            self._learn(list(bounds), rounds)
        self.loads += 1
        self.forget(set(names) - set(bounds))
        return list(bounds)

    def _attempt(self, bounds: dict[str, Binding], name: str, run: Callable[[str, Binding], Found]) -> Found | None:
        """What `run` returns; None where it raises, and the entry then takes part in `bounds` no more."""
        try:
            with at_work(f"timing {name}"):
                return run(name, bounds[name])
        except Exception as error:
            del bounds[name]
            self.on_error(name, error)
            return None

    def _warm_up(self, name: str, bound: Binding) -> None:
        """Run uncounted: at the first load in full, which also shows how long a run takes.

        Later loads warm up for as many runs, or a quarter of the time where that is shorter.
        """
        bound.end_to_end(1)
        bound.stream(1)
        started, warm_up_s = self.clock(), self.schedule.warmup_ms / 1e3
        if name in self._pace_s:
            for _ in range(self.schedule.warmup_runs):
                bound.device_only(1)
                if self.clock() - started > warm_up_s / 4:
                    break
            return
        block, block_s, run_ms = math.ceil(self.schedule.warmup_runs / WARMUP_BLOCKS), list[float](), list[float]()
        while len(block_s) < WARMUP_BLOCKS or self.clock() - started < warm_up_s:
            before = self.clock()
            run_ms.append(float(np.median(_times(bound.device_only, block))))
            block_s.append(self.clock() - before)
        self._pace_s[name] = self._counted_s[name] = max(float(np.median(block_s)) / block, 1e-9)
        self._settling[name] = max(1, math.ceil(SETTLE_MS / max(float(np.median(run_ms)), 1e-6)))

    def _plan(self, names: Sequence[str]) -> int:
        """How many rounds this load has; fills `_runs`, how many counted runs each mode has in a slice of a round.

        Counted runs alone fill each entry's share. As many rounds as together take at most half as long
        again as the entries have, since each entry has at least one run in each; but two where even those take longer.
        """
        share_s = {name: self._share_s(name) for name in names}
        for rounds in range(self.schedule.rounds_per_load, 0, -1):
            slice_s = {name: share_s[name] / rounds / MODES for name in names}
            self._runs = {name: max(1, math.ceil(slice_s[name] / self._counted_s[name])) for name in names}
            load_s = rounds * sum(self._runs_in_slice(name) * self._pace_s[name] for name in names)
            if rounds <= FEWEST_ROUNDS or load_s <= OVERTIME * sum(share_s.values()):
                break
        return rounds

    def _share_s(self, name: str) -> float:
        """Seconds that count in the next load: an even share of the minimum, or what is left of it over what is left.

        The first load's pace is a guess, by which it may fall short, and a whole load more would be for nothing else.
        """
        even_s, left = self.schedule.min_seconds / self.schedule.min_loads, self.schedule.min_loads - self.loads
        if self.schedule.early_loads is not None:
            return even_s / EARLY_SLICES
        missing_s = max(0.0, self.schedule.min_seconds - self.timings[name].seconds)
        return min(max(even_s, SPARE * missing_s / left), MOST_OF_EVEN * even_s) if left > 0 else even_s

    def _learn(self, names: Sequence[str], rounds: int) -> None:
        """How long a run of all modes took in this load's rounds: the warm-up knows the device-only mode alone."""
        for name in names:
            blocks = self.timings[name].blocks[-rounds:]
            slice_s = np.median([(block.seconds, block.counted_s) for block in blocks], axis=0)
            self._pace_s[name] = max(float(slice_s[0]) / self._runs_in_slice(name), 1e-9)
            self._counted_s[name] = max(float(slice_s[1]) / (MODES * self._runs[name]), 1e-9)

    def _runs_in_slice(self, name: str) -> int:
        """Of all modes, those included that are not counted."""
        return MODES * self._runs[name] + (MODES - 1) * self._settling[name]

    def _round(self, bounds: dict[str, Binding], order: Sequence[str]) -> None:
        for repeat in range(MOST_REPEATS + 1):
            self.repeated_rounds += repeat > 0
            with collector_paused():
                blocks = {name: self._attempt(bounds, name, self._block) for name in order if name in bounds}
            if not self.monitor.disturbed():
                break
        for name, block in blocks.items():
            if block is not None:
                self.timings[name].blocks.append(block)

    def _block(self, name: str, bound: Binding) -> Block:
        # Runs that meet cold caches, counted, would weigh more the fewer runs an engine has in a slice.
        runs, first = self._runs[name], self._settling[name]
        started = self.clock()
        # Of the two latencies each goes first in every other round: what does finds the caches of another engine.
        if len(self.timings[name].blocks) % 2:
            end_to_end_ms = _times(bound.end_to_end, first + runs)[first:]
            device_ms = _times(bound.device_only, first + runs)[first:]
        else:
            device_ms = _times(bound.device_only, first + runs)[first:]
            end_to_end_ms = _times(bound.end_to_end, first + runs)[first:]
        stream_s = bound.stream(runs)
        return Block(self.loads, device_ms, end_to_end_ms, stream_s, runs, self.clock() - started)


def _times(mode: Callable[[int], Milliseconds], runs: int) -> Milliseconds:
    """What each of `runs` runs took; ValueError where the backend gives no such times, by which no round could end."""
    times: Milliseconds = np.asarray(mode(runs), dtype=np.float64)
    if times.shape != (runs,) or not (np.isfinite(times) & (times >= 0)).all():
        raise ValueError(f"{runs} runs have times that cannot be: {times.ravel()[:3].tolist()}, of shape {times.shape}")
    return times
