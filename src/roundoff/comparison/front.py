"""Accuracy and speed of all runs of one network on one machine: both beside FP32 of the same run.

Times of two sessions drift, so no time is compared with another run's: each is divided by the time of one FP32 cell of
its own run, the yardstick, which is the same engine in all of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from roundoff.comparison.compared import Compared
from roundoff.comparison.run import Run
from roundoff.comparison.touched import same_engine
from roundoff.results.values import bounds_of
from roundoff.system.slots import REFERENCE_PRECISION
from roundoff.verdict.ranking import Ranked, accuracy_loss, front, noise_floor

MARGIN = 0.01


@dataclass(frozen=True)
class Place:
    """A cell of one run, or of several that share its engine: how many times as fast as the yardstick, and its loss.

    `number` is that of the first such run, `also` are the others'; `low`, `high` are the ends of the speed's 95 %
    interval; `lost` in percentage points, with its ends, paired with the reference.
    """

    cell: str
    number: int
    also: tuple[int, ...]
    speed: float
    low: float
    high: float
    lost: float
    ends: tuple[float, float]
    noise: float
    size_mb: float


@dataclass(frozen=True)
class Field:
    """Places that share a yardstick: one machine, one network, one set of test images, one FP32 engine.

    `yardstick` is the cell that speeds are relative to.
    """

    numbers: tuple[int, ...]
    yardstick: str
    places: tuple[Place, ...]

    @property
    def front(self) -> list[Place]:
        """Those that no other clearly beats in accuracy, speed and size, fastest first."""
        every = [_ranked(place, str(number)) for number, place in enumerate(self.places)]
        names = set(front(every))
        chosen = [place for number, place in enumerate(self.places) if str(number) in names]
        return sorted(chosen, key=lambda place: -place.speed)

    @property
    def line(self) -> list[Place]:
        """Those of the front that lose less than every faster one, fastest first; none where they make no line.

        The others are on it by their size.
        """
        line: list[Place] = []
        for place in self.front:
            if not line or place.lost < line[-1].lost:
                line.append(place)
        return line if len(line) > 1 else []


def fields_of(compared: Compared) -> list[Field]:
    """One for each class of runs and machine, with a place for each cell; without those that have no times."""
    found = []
    for numbers in compared.classes:
        for machine in compared.machines:
            for group in _one_reference(compared.runs, [n for n in numbers if compared.runs[n].machine == machine]):
                places = tuple(_places(compared, group))
                cell = yardstick(compared.runs[group[0]])
                if len(places) > 1 and cell is not None:
                    found.append(Field(tuple(group), cell, places))
    return found


def yardstick(run: Run) -> str | None:
    """The run's reference, or where that was not timed the first FP32 cell that was; None: none was."""
    wide = (name for name in run.metrics.cells if name.partition("/")[0] == REFERENCE_PRECISION)
    timed = [name for name in (run.metrics.reference, *wide) if name and (timing := run.timing(name)) and timing.runs]
    return next(iter(timed), None)


def relative_speed(run: Run, cell: str) -> tuple[float, float, float] | None:
    """How many times as fast as the run's yardstick, end to end at the ranked batch size, and the 95 % interval.

    Where both are of one backend it is the speed-up of interleaved rounds, else the ratio of the medians, with the
    interval of Zou and Donner (Stat. Med. 27, 2008) by logarithms.
    """
    reference = yardstick(run)
    if reference is None:
        return None
    if cell == reference:
        return 1.0, 1.0, 1.0
    ours, theirs = run.timing(cell), run.timing(reference)
    paired = bounds_of(ours, "end_to_end_speedup")
    if ours and ours.end_to_end_speedup and paired and cell.partition("/")[2] == reference.partition("/")[2]:
        return ours.end_to_end_speedup, *paired
    a, b = bounds_of(ours, "end_to_end_p50", "ms"), bounds_of(theirs, "end_to_end_p50", "ms")
    if not (a and b and ours and theirs and ours.end_to_end_p50_ms and theirs.end_to_end_p50_ms):
        return None
    mine, other = ours.end_to_end_p50_ms, theirs.end_to_end_p50_ms
    ratio = other / mine
    down = math.hypot(math.log(a[1] / mine), math.log(other / b[0]))
    up = math.hypot(math.log(mine / a[0]), math.log(b[1] / other))
    return ratio, ratio * math.exp(-down), ratio * math.exp(up)


def _one_reference(runs: Sequence[Run], numbers: Sequence[int]) -> list[list[int]]:
    """The runs in groups whose yardstick is one cell, and not known to be another engine."""
    groups: list[list[int]] = []
    for number in numbers:
        group = next((each for each in groups if _shares(runs[each[0]], runs[number])), None)
        if group is None:
            groups.append([number])
        else:
            group.append(number)
    return groups


def _shares(a: Run, b: Run) -> bool:
    cell = yardstick(a)
    if (
        cell is None
        or cell != yardstick(b)
        or a.metrics.reference != b.metrics.reference
        or a.batch_size != b.batch_size
    ):
        return False
    return same_engine(a, b, cell) or not (a.engine(cell) and b.engine(cell))


def _places(compared: Compared, numbers: Sequence[int]) -> Iterator[Place]:
    """A place for each engine of each cell: those that several runs share have one."""
    for cell in compared.cells:
        left = [number for number in numbers if compared.runs[number].cell(cell)]
        while left:
            first = left[0]
            also = [n for n in left[1:] if same_engine(compared.runs[first], compared.runs[n], cell)]
            left = [n for n in left[1:] if n not in also]
            if place := _place(compared.runs[first], cell, first, tuple(also)):
                yield place


def _place(run: Run, cell: str, number: int, also: tuple[int, ...]) -> Place | None:
    found, speed = run.cell(cell), relative_speed(run, cell)
    accuracy = found.accuracy if found else None
    if found is None or accuracy is None or speed is None or found.size_mb is None:
        return None
    lost = 0.0 if cell == run.metrics.reference else accuracy.drop
    if lost is None:
        return None
    ends = accuracy_loss(cell, accuracy, run.metrics.reference)
    size = run.batch_size or 1
    noise = noise_floor(run.metrics.method, size, MARGIN, cell)
    return Place(cell, number, also, *speed, 100 * lost, (100 * ends[0], 100 * ends[1]), noise, found.size_mb)


def _ranked(place: Place, name: str) -> Ranked:
    return Ranked(
        name=name,
        latency_ms=1 / place.speed,
        low_ms=1 / place.high,
        high_ms=1 / place.low,
        noise=place.noise,
        size_mb=place.size_mb,
        top1=1 - place.lost / 100,
        lost_low=place.ends[0] / 100,
        lost_high=place.ends[1] / 100,
    )
