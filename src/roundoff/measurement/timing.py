"""Interleaved timing: rounds over all engines and batch sizes, until every speed-up is known well enough."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from roundoff.backend.base import Bound, Milliseconds
from roundoff.measurement.statistics import Interval, speedup

Clock = Callable[[], float]
MODES = 3
CHECK_EVERY = 1.25
MOST_REPEATS = 3
WARMUP_BLOCKS = 3  # fewer say too little of how long a run takes


@dataclass(frozen=True)
class Schedule:
    """How long to time: milliseconds and runs of warm-up, seconds per engine and batch size, seconds in all.

    Rounds go on until `min_rounds` and `min_seconds` are reached for every entry and each speed-up's 95 % interval is
    within ±`interval_target` (a share), or `budget_seconds` have passed.
    """

    warmup_ms: float
    warmup_runs: int
    min_seconds: float
    budget_seconds: float
    min_rounds: int
    interval_target: float


class Monitor(Protocol):
    """Watches a device between rounds."""

    def disturbed(self) -> bool:
        """Read the device; True if what throttles it changed since the last reading."""


@dataclass
class Timing:
    """Raw samples of one entry. The lists named `round_…` have one value per round that this entry took part in."""

    device: list[Milliseconds] = field(default_factory=list)
    end_to_end: list[Milliseconds] = field(default_factory=list)
    round_number: list[int] = field(default_factory=list)
    round_stream_s: list[float] = field(default_factory=list)
    stream_runs: int = 0
    seconds: float = 0.0
    stopped: str = "minimum"

    @property
    def rounds(self) -> int:
        """Number of rounds that this entry took part in."""
        return len(self.round_number)

    @property
    def device_ms(self) -> Milliseconds:
        """Every device-only sample."""
        return np.concatenate(self.device)

    @property
    def end_to_end_ms(self) -> Milliseconds:
        """Every end-to-end sample."""
        return np.concatenate(self.end_to_end)

    @property
    def round_ms(self) -> Milliseconds:
        """Median device-only time of each round."""
        return np.array([np.median(block) for block in self.device])

    @property
    def round_end_to_end_ms(self) -> Milliseconds:
        """Median end-to-end time of each round."""
        return np.array([np.median(block) for block in self.end_to_end])


def paired_speedup(reference: Timing, candidate: Timing, end_to_end: bool = False) -> Interval:
    """Speed-up of `candidate` over `reference` from the rounds that both took part in."""
    _, in_reference, in_candidate = np.intersect1d(
        reference.round_number, candidate.round_number, assume_unique=True, return_indices=True
    )
    if end_to_end:
        return speedup(reference.round_end_to_end_ms[in_reference], candidate.round_end_to_end_ms[in_candidate])
    return speedup(reference.round_ms[in_reference], candidate.round_ms[in_candidate])


@dataclass
class Interleaved:
    """Times `entries` against each other on one device; `references` names for an entry the one it is compared with."""

    entries: Mapping[str, Bound]
    references: Mapping[str, str]
    schedule: Schedule
    monitor: Monitor
    seed: int
    clock: Clock = time.perf_counter
    repeated_rounds: int = 0
    rounds: int = 0
    timings: dict[str, Timing] = field(default_factory=dict)
    _runs: dict[str, int] = field(default_factory=dict)

    def run(self, on_round: Callable[[float], None] = lambda share: None) -> dict[str, Timing]:
        """Warm up, then time in rounds; `on_round` is told the share of the longest possible time that has passed."""
        self.timings = {name: Timing() for name in self.entries}
        for name, bound in self.entries.items():
            self._runs[name] = self._warm_up(bound)
        order = np.random.default_rng(self.seed)
        started, next_check, active = self.clock(), self.schedule.min_rounds, list(self.entries)
        self.monitor.disturbed()
        while active:
            self._round([active[i] for i in order.permutation(len(active))])
            elapsed = self.clock() - started
            on_round(elapsed / self.schedule.budget_seconds)
            if self.rounds >= next_check and self._minimum_reached():
                active = self._unsettled(over_budget=elapsed >= self.schedule.budget_seconds)
                next_check = int(np.ceil(self.rounds * CHECK_EVERY))
            elif elapsed >= self.schedule.budget_seconds and self._minimum_reached():
                active = self._unsettled(over_budget=True)
        return self.timings

    def _warm_up(self, bound: Bound) -> int:
        """Run uncounted for long enough; returns how many runs fill one slice of a round."""
        bound.end_to_end(1)
        bound.stream(1)
        block = math.ceil(self.schedule.warmup_runs / WARMUP_BLOCKS)
        started, block_s = self.clock(), list[float]()
        while len(block_s) < WARMUP_BLOCKS or self.clock() - started < self.schedule.warmup_ms / 1e3:
            before = self.clock()
            bound.device_only(block)
            block_s.append(self.clock() - before)
        pace = max(float(np.median(block_s)) / block, 1e-9)
        slice_s = self.schedule.min_seconds / self.schedule.min_rounds / MODES
        return max(1, round(slice_s / pace))

    def _round(self, names: list[str]) -> None:
        for _ in range(MOST_REPEATS + 1):
            blocks = {name: self._block(name) for name in names}
            if not self.monitor.disturbed():
                break
            self.repeated_rounds += 1
        for name, (device, end_to_end, stream_s, seconds) in blocks.items():
            timing = self.timings[name]
            timing.device.append(device)
            timing.end_to_end.append(end_to_end)
            timing.round_stream_s.append(stream_s)
            timing.stream_runs += self._runs[name]
            timing.seconds += seconds
            timing.round_number.append(self.rounds)
        self.rounds += 1

    def _block(self, name: str) -> tuple[Milliseconds, Milliseconds, float, float]:
        bound, runs = self.entries[name], self._runs[name]
        # The first run after another engine's meets cold caches; where many follow it, it is not what they measure.
        settling = 1 if runs > 2 else 0
        started = self.clock()
        device = bound.device_only(runs + settling)[settling:]
        end_to_end = bound.end_to_end(runs + settling)[settling:]
        stream_s = bound.stream(runs)
        return device, end_to_end, stream_s, self.clock() - started

    def _minimum_reached(self) -> bool:
        least = self.schedule
        return all(t.rounds >= least.min_rounds and t.seconds >= least.min_seconds for t in self.timings.values())

    def _unsettled(self, over_budget: bool) -> list[str]:
        """Entries to go on with: those whose speed-up is not yet known well enough, and what they are compared with."""
        going_on: dict[str, None] = {}
        for name, reference in self.references.items():
            settled = self._settled(name, reference)
            self.timings[name].stopped = "target" if settled else "budget"
            if not settled and not over_budget:
                going_on |= {name: None, reference: None}
        return list(going_on)

    def _settled(self, name: str, reference: str) -> bool:
        found = paired_speedup(self.timings[reference], self.timings[name])
        widest = max(found.high / found.value - 1, 1 - found.low / found.value)
        return widest <= self.schedule.interval_target


def coefficient_of_variation(samples: NDArray[np.float64]) -> float:
    """Standard deviation over mean."""
    return float(np.std(samples) / np.mean(samples))
