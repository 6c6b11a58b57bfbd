"""When timing is enough: the minimum of every entry, and each speed-up known well enough, or no time left."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from roundoff.measurement.race import Entrants, Race
from roundoff.measurement.samples import Timing, paired_speedup

CHECK_EVERY = 1.25
CLEARLY, ROUGHLY = 2, 3  # in widths of the target: what is so far from FP32 need be known so roughly only


@dataclass(frozen=True)
class Schedule:
    """How long to time: milliseconds and runs of warm-up, seconds per engine and batch size, seconds in all.

    Each load is timed for `rounds_per_load` rounds, or, where an engine is so slow that these would take too long, for
    fewer, down to two, in which the fast ones get as much time all the same. Loads go on until there are `min_loads`,
    every entry's counted runs took `min_seconds`, and each speed-up's 95 % interval is within ±`interval_target` (a
    share) or `budget_seconds` have passed. With `early_loads` an entry may stop after so many loads as soon as its
    speed-up is known well enough, whatever the minimum is: roughly known is enough for what is clearly faster or
    slower than FP32, and anything for what has won or lost the race at its batch size. One that is not known by then
    ends with its share of the budget, since what others saved is saved. None: it may not.
    """

    warmup_ms: float
    warmup_runs: int
    min_seconds: float
    budget_seconds: float
    min_loads: int
    rounds_per_load: int
    interval_target: float
    early_loads: int | None = None


class Enough:
    """Says which of the entries that were timed go on: of one device, or of several that share the loads."""

    names: Sequence[str]
    references: Mapping[str, str]
    schedule: Schedule
    entrants: Entrants
    loads: int
    timings: dict[str, Timing]
    next_check: int

    def begin(self) -> None:
        """Nothing was timed yet."""
        early = self.schedule.early_loads
        self.timings = {name: Timing(anytime=early is not None) for name in self.names}
        self.next_check = early or self.schedule.min_loads

    def still(self, active: list[str], elapsed_s: float) -> list[str]:
        """Those of the active entries that go on, after a load; those that stop are told why in `timings`."""
        over_budget = elapsed_s >= self.schedule.budget_seconds
        if not self._minimum_reached() or not (over_budget or self.loads >= self.next_check):
            return active
        early = self.schedule.early_loads is not None
        self.next_check = self.loads + 1 if early else math.ceil(self.loads * CHECK_EVERY)
        return self._unsettled(over_budget)

    def forget(self, gone: set[str]) -> None:
        """Leave these out, with all their figures."""
        self.timings = {name: timing for name, timing in self.timings.items() if name not in gone}
        self.references = {a: b for a, b in self.references.items() if not gone & {a, b}}

    def end(self) -> None:
        """Nothing more is timed: what has less than the minimum stopped early, whatever ended it."""
        for timing in self.timings.values():
            if not self._has_minimum(timing):
                timing.stop_reason = "early"

    def _minimum_reached(self) -> bool:
        if self.schedule.early_loads is not None:
            return self.loads >= self.schedule.early_loads
        return all(map(self._has_minimum, self.timings.values())) and self.loads >= self.schedule.min_loads

    def _has_minimum(self, timing: Timing) -> bool:
        return timing.loads >= self.schedule.min_loads and timing.seconds >= self.schedule.min_seconds

    def _unsettled(self, over_budget: bool) -> list[str]:
        """Entries to go on with: those whose speed-up is not yet known well enough, and what they are compared with.

        What nothing is compared with goes on to the minimum.
        """
        going_on: dict[str, None] = {}
        race = self.race()
        settled = {name for name, reference in self.references.items() if self._settled(name, reference, race)}
        settled -= self._needed_controls(settled)
        for name, reference in self.references.items():
            self.timings[name].stop_reason = "target" if name in settled else "budget"
            if name not in settled and not over_budget and not self._used_its_share(name):
                going_on |= {name: None, reference: None}
        alone = self.timings.keys() - self.references.keys() - set(self.references.values())
        going_on |= {name: None for name in self.names if name in alone and not self._has_minimum(self.timings[name])}
        return list(going_on)

    def _needed_controls(self, settled: set[str]) -> set[str]:
        """The controls of the batch sizes at which a race goes on: what they differ by is what is no difference."""
        if self.schedule.early_loads is None:
            return set()
        sizes = {self.entrants.sizes.get(name) for name in self.references.keys() - settled}
        return {name for size, name in self.entrants.controls.items() if size in sizes}

    def _used_its_share(self, name: str) -> bool:
        """Whether an entry that may stop early took as long as each may that does not."""
        if self.schedule.early_loads is None:
            return False
        share_s = max(self.schedule.min_seconds, self.schedule.budget_seconds / len(self.names))
        return sum(block.seconds for block in self.timings[name].blocks) >= share_s

    def race(self) -> Race:
        """Between those of which enough loads are there: of what a lost GPU timed, fewer may be left."""
        least = self.schedule.early_loads or self.schedule.min_loads
        known = {name: timing for name, timing in self.timings.items() if timing.loads >= least}
        references = {a: b for a, b in self.references.items() if {a, b} <= known.keys()}
        return Race(self.entrants, known, references, self.schedule.interval_target)

    def _settled(self, name: str, reference: str, race: Race) -> bool:
        if name not in race.references:
            return False
        speedup = paired_speedup(self.timings[reference], self.timings[name])
        widest = max(speedup.high / speedup.value - 1, 1 - speedup.low / speedup.value)
        target = self.schedule.interval_target
        if widest <= target or self.schedule.early_loads is None:
            return widest <= target
        clear = speedup.low > 1 + CLEARLY * target or speedup.high < 1 / (1 + CLEARLY * target)
        return (clear and widest <= ROUGHLY * target) or race.decided(name)
