"""The raw samples of the timed entries: blocks of runs by round and load, and what is made of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from roundoff.backend.base import Milliseconds
from roundoff.measurement.anytime import FEWEST_FOR_SEQUENCE, median_sequence
from roundoff.measurement.statistics import Interval, median_interval
from roundoff.results.values import StopReason


@dataclass(frozen=True)
class Block:
    """One entry in one round: milliseconds of each run by mode, and seconds of wall time of `stream_runs` streamed.

    `seconds` is the wall time of all of it, runs that are not counted included.
    """

    load: int
    device_ms: Milliseconds
    end_to_end_ms: Milliseconds
    stream_s: float
    stream_runs: int
    seconds: float

    @property
    def counted_s(self) -> float:
        """Seconds of the runs that count, all modes together."""
        return float(self.device_ms.sum() + self.end_to_end_ms.sum()) / 1e3 + self.stream_s


@dataclass
class Timing:
    """Everything measured of one entry, a block per round; `stop_reason` says why no more was.

    Where it may stop `anytime`, since its figures were looked at after each load, its intervals allow for that. Of
    several `devices` that share the loads, load n ran on the one of place n mod `devices`.
    """

    blocks: list[Block] = field(default_factory=list)
    stop_reason: StopReason = "minimum"
    anytime: bool = False
    devices: int = 1

    @property
    def seconds(self) -> float:
        """Seconds of its runs that count, all modes together."""
        return sum(block.counted_s for block in self.blocks)

    @property
    def loads(self) -> int:
        """How many loads it took part in."""
        return len(np.unique(self.round_load))

    @property
    def device_ms(self) -> Milliseconds:
        """Every device-only sample."""
        return np.concatenate([block.device_ms for block in self.blocks])

    @property
    def end_to_end_ms(self) -> Milliseconds:
        """Every end-to-end sample."""
        return np.concatenate([block.end_to_end_ms for block in self.blocks])

    @property
    def round_ms(self) -> Milliseconds:
        """Median device-only time of each round."""
        return np.array([np.median(block.device_ms) for block in self.blocks])

    @property
    def round_end_to_end_ms(self) -> Milliseconds:
        """Median end-to-end time of each round."""
        return np.array([np.median(block.end_to_end_ms) for block in self.blocks])

    @property
    def round_load(self) -> NDArray[np.int64]:
        """The load, counted from 0, that each round ran on."""
        return np.array([block.load for block in self.blocks], dtype=np.int64)

    def builds_of_loads(self, builds: int) -> NDArray[np.int64]:
        """Which of so many builds each load took, in the order of the loads: see `turn`."""
        return turn(np.unique(self.round_load) // self.devices, np.unique(self.round_load) % self.devices, builds)

    def median_interval(self, values: NDArray[np.float64]) -> Interval:
        """The median of a figure with one value per load, with its 95 % interval; ValueError for too few loads."""
        found = median_sequence(values) if self.anytime else median_interval(values)
        if found is None:
            raise ValueError(f"{len(values)} loads: an interval that may be looked at needs {FEWEST_FOR_SEQUENCE}")
        return found

    def by_load(self, per_round: NDArray[np.float64]) -> NDArray[np.float64]:
        """Medians over the rounds of each load, of a figure with one value per round."""
        return medians_by_load(per_round, self.round_load)


Turn = TypeVar("Turn", int, NDArray[np.int64])


def turn(load: Turn, place: Turn, builds: int) -> Turn:
    """Which build a device of that place takes at its own load, both from 0: each device takes all, in turn."""
    return (load + place) % builds


def medians_by_load(per_round: NDArray[np.float64], loads: NDArray[np.int64]) -> NDArray[np.float64]:
    """Medians over the rounds of each load, in the order of the loads; `loads` names the load of each round."""
    return np.array([np.median(per_round[loads == load]) for load in np.unique(loads)])


def paired_speedup(reference: Timing, candidate: Timing, end_to_end: bool = False) -> Interval:
    """Speed-up of `candidate` over `reference`: per round a ratio, per load their median, over loads the interval.

    The reference took part in every load of the candidate's, with the same rounds in each.
    """
    shared = np.isin(reference.round_load, candidate.round_load)
    if end_to_end:
        ratios = reference.round_end_to_end_ms[shared] / candidate.round_end_to_end_ms
    else:
        ratios = reference.round_ms[shared] / candidate.round_ms
    return candidate.median_interval(candidate.by_load(ratios))


def coefficient_of_variation(samples: NDArray[np.float64]) -> float:
    """Standard deviation over mean."""
    return float(np.std(samples) / np.mean(samples))
