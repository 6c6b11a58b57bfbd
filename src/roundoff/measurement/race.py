"""The races at a batch size: which entry is the fastest of those that may ship; who has lost need not be timed on.

An entry has lost as soon as its interval lies beyond that of a faster one, and the one that all others have lost to has
won: successive elimination, as in Hoeffding races (Maron and Moore, NIPS 6, 1994, 59-66), with intervals that may be
looked at any time. Entries are told apart as `verdict.ranking` tells cells apart, end to end. There are two races, as
`verdict.recommending` asks two questions: the fastest that passes, and the fastest that loses no accuracy measurably.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf

from roundoff.measurement.samples import Timing, paired_speedup
from roundoff.measurement.statistics import Interval


@dataclass(frozen=True)
class Entrants:
    """By entry its batch size; those `passing` keep the accuracy that is asked for; by batch size the A/A control.

    The `lossless` are those of them that lose no accuracy measurably.
    """

    sizes: Mapping[str, int] = field(default_factory=dict)
    passing: frozenset[str] = frozenset()
    lossless: frozenset[str] = frozenset()
    controls: Mapping[int, str] = field(default_factory=dict)


@dataclass
class Race:
    """Where the entrants stand after some loads; speeds closer than `margin`, or than the control's, are the same."""

    entrants: Entrants
    timings: Mapping[str, Timing]
    references: Mapping[str, str]
    margin: float

    def decided(self, name: str) -> bool:
        """Whether an entry has won or lost each race that it takes part in.

        One that may not ship, or not yet, takes part in none; it has to lose to one that would ship in its place.
        """
        passing, lossless = (self._rivals(name, racers) for racers in (self.entrants.passing, self.entrants.lossless))
        if name not in self.entrants.passing:
            return self._has_lost(name, lossless or passing)
        if not passing or not (self._has_lost(name, passing) or self._has_won(name, passing)):
            return False
        return name not in self.entrants.lossless or self._has_lost(name, lossless) or self._has_won(name, lossless)

    def _rivals(self, name: str, racers: frozenset[str]) -> list[str]:
        sizes = self.entrants.sizes
        return [each for each in racers & self.timings.keys() if each != name and sizes[each] == sizes.get(name)]

    def _has_lost(self, name: str, rivals: Sequence[str]) -> bool:
        return any(self.faster(rival, name) for rival in rivals)

    def _has_won(self, name: str, rivals: Sequence[str]) -> bool:
        return all(self.faster(name, rival) for rival in rivals)

    def faster(self, name: str, other: str) -> bool:
        """Whether an entry is faster for certain: by the ratios to FP32 where both have the same, else by latency."""
        if self._in_turns(name, other) or self._in_turns(other, name):
            return self._in_turns(name, other)
        return self._latencies[name].high * self._apart(name) < self._latencies[other].low

    def _in_turns(self, name: str, other: str) -> bool:
        if self.references.get(name, name) != self.references.get(other, other):
            return False
        return self._speedups[name].low > self._speedups[other].high * self._apart(name)

    @cached_property
    def _speedups(self) -> dict[str, Interval]:
        """End to end over FP32, which itself has exactly 1; nothing is known of what has no reference."""
        own = dict.fromkeys(self.references.values(), Interval(1.0, 1.0, 1.0))
        unknown = {name: Interval(1.0, 0.0, inf) for name in self.timings}
        return unknown | own | {name: self._over(reference, name, True) for name, reference in self.references.items()}

    @cached_property
    def _latencies(self) -> dict[str, Interval]:
        return {
            name: each.median_interval(each.by_load(each.round_end_to_end_ms)) for name, each in self.timings.items()
        }

    def _apart(self, name: str) -> float:
        """How many times as fast is a difference: beyond what the same engine, loaded twice, differs by."""
        control = self.entrants.controls.get(self.entrants.sizes[name])
        if control is None or control not in self.references:
            return 1 + self.margin
        ratios = [self._over(self.references[control], control, end_to_end).value for end_to_end in (False, True)]
        return 1 + max([self.margin, *(abs(ratio - 1) for ratio in ratios)])

    def _over(self, reference: str, name: str, end_to_end: bool) -> Interval:
        return paired_speedup(self.timings[reference], self.timings[name], end_to_end)
