"""Several equal GPUs share the loads, each load with all entries on one of them: a ratio still comes from one device.

Each GPU has every n-th load of every entry. Loads are looked at when all have as many, by the rules of one device. What
is asked of an interval over loads then holds: half of the loads of two devices lie below the median of both together,
whatever each device's own is, and their number varies less than that of loads of one kind (Hoeffding, Ann. Math. Stat.
27, 1956, 713-721); nor do, over a pair of loads, the bets gain of an interval that may be looked at any time.

Of evaluate's wall time on one GPU, n GPUs save (1 - 1/n) of what they share: the test set, each cell's load alone, the
timed loads, energy. Not shared are the start, the first warm-up of a GPU, and what the stage itself computes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from roundoff.dataset.base import Prepared
from roundoff.measurement.answered import Answered
from roundoff.measurement.enough import Enough, Schedule
from roundoff.measurement.figures import CONTROL, Figures, entrants_of, entry_name, references_of, twin_of
from roundoff.measurement.found import Found, merged, merged_blocks
from roundoff.measurement.latency import batch_without_figures
from roundoff.measurement.plan import CellSpeed, SpeedPlan
from roundoff.measurement.race import Entrants
from roundoff.measurement.samples import Timing
from roundoff.measurement.share import (
    EnergyShare,
    Loads,
    Look,
    Share,
    device_of,
    give_back,
    load,
    look,
    measure_energy_share,
    report,
    take,
)
from roundoff.measurement.speed import DeviceSpeed, kept_timings, schedule_for
from roundoff.measurement.workers import Workers
from roundoff.results.cell import Energy
from roundoff.results.message import message
from roundoff.results.platform import Platform
from roundoff.results.run import Device
from roundoff.results.shortfall import Shortfall, tolerated
from roundoff.system.progress import Bar, progress_bar

NO_SIZE = Energy(reason=message("no_batch_size_runs"))
TWICE = 2  # GPUs whose processes one cell ends
Wanted = TypeVar("Wanted")
Result = TypeVar("Result")


def measure_on_several(
    workers: Workers,
    gpus: Sequence[str],
    cells: Sequence[Answered],
    plan: SpeedPlan,
    prepared: Prepared,
    platform: Platform,
) -> list[tuple[str, DeviceSpeed]]:
    """As `measure_device`, by device name; figures and raw samples are with the first.

    A GPU whose process raises or dies is lost with its loads, which the rows say, and the others have the loads that
    it would have had. Where all are lost, every batch size of every cell has failed.
    """
    # a GPU needs a load at least
    shares = [Share(gpu, "", cells, plan, prepared, platform) for gpu in gpus[: plan.schedule.min_loads]]
    team = Team(workers, plan.strict)
    team.join(shares)
    loads = SharedLoads(team, cells, plan, schedule_for(cells, plan))
    with progress_bar(f"timing on {len(team.shares)} GPUs", 100) as bar:
        loads.run(bar)
    lost = dict(team.lost)
    reports = team.each(report, {share.visible: share for share in team.alive})
    energies = _energies(team, loads)
    return _told(loads, lost, reports, energies)


@dataclass
class Team:
    """GPUs at work together, each in a process of its own."""

    workers: Workers
    strict: bool
    shares: list[Share] = field(default_factory=list)
    lost: dict[str, Shortfall] = field(default_factory=dict)  # by `visible`: why it does no more

    @property
    def alive(self) -> list[Share]:
        """Those that are not lost, in their order."""
        return [share for share in self.shares if share.visible not in self.lost]

    def join(self, shares: Sequence[Share]) -> None:
        """Find out each one's device, and give it its place; of two names of one device the first is taken."""
        known = self.workers.devices
        known |= self.each(device_of, {each.visible: each for each in shares if each.visible not in known})
        for each in shares:
            device = known.get(each.visible, f"GPU {each.visible}")
            if device not in {share.device for share in self.shares}:
                self.shares.append(replace(each, device=device, plan=replace(each.plan, place=len(self.shares))))
        self.shares = [replace(each, of=len(self.shares)) for each in self.shares]

    def each(self, work: Callable[[Wanted], Result], wanted: Mapping[str, Wanted]) -> dict[str, Result]:
        """What comes of the work that is wanted, by `visible`, all at once; less what is lost over it."""
        running = {gpu: self.workers.submit(gpu, work, hand) for gpu, hand in wanted.items()}
        results: dict[str, Result] = {}
        for gpu, future in running.items():
            with tolerated(message("doing_share", gpu=gpu), partial(self._lose, gpu), self.strict):
                results[gpu] = future.result()
        return results

    def revive(self, gpus: Iterable[str]) -> None:
        """These are at work again, in processes that are started anew."""
        for gpu in gpus:
            self.lost.pop(gpu, None)
        self.each(give_back, {share.visible: share for share in self.alive})
        self.take()

    def take(self) -> None:
        """Have each GPU's device held, in one order in every job: or two of them might each wait for the other's."""
        for share in sorted(self.alive, key=lambda share: share.device):
            self.each(take, {share.visible: share})

    def _lose(self, gpu: str, why: Shortfall) -> None:
        self.lost[gpu] = why


@dataclass
class SharedLoads(Enough):
    """Has the loads timed that are wanted, by all of a team at once, until they are enough."""

    team: Team
    cells: Sequence[Answered]
    plan: SpeedPlan
    schedule: Schedule
    names: Sequence[str] = ()
    references: Mapping[str, str] = field(default_factory=dict)
    entrants: Entrants = field(default_factory=Entrants)
    loads: int = 0
    timings: dict[str, Timing] = field(default_factory=dict)
    next_check: int = 0
    found: Found = field(default_factory=Found)
    _looked: Found = field(default_factory=Found)
    _founds: dict[int, Found] = field(default_factory=dict)

    def run(self, bar: Bar) -> None:
        """Look at each cell alone, then load, and decide as soon as all have as many loads."""
        self._look()
        timed = [name for name in self._possible() if name not in self.found.missing]
        self.names, self.references = timed, references_of(self.cells, self.plan, timed)
        self.entrants = entrants_of(self.cells, self.plan)
        self.begin()
        active, shown = timed, 0.0
        while active and self.team.alive:
            alive = self.team.alive
            self._take(self.team.each(load, {each.visible: Loads(each, active, self._ahead()) for each in alive}))
            # of what a lost GPU had timed, some may have had enough without these loads, and some not
            active = active if len(self.team.alive) == len(alive) else timed
            active = self.still([name for name in active if name in self.timings], self.found.seconds)
            now = min(100.0, 100 * self.found.seconds / self.schedule.budget_seconds)
            bar.advance(now - shown, f"load {self.loads}")
            shown = now
        self.end()
        self.found = replace(self.found, timings=self.timings)

    def _possible(self) -> list[str]:
        """Entries that were looked at, and those of the control, whose engine is its twin's."""
        twin, sizes, seen = twin_of(self.cells, self.plan), self.plan.batch_sizes, set(self._looked.entries)
        pairs = [(each.name, each.name) for each in self.cells] + ([(CONTROL, twin.name)] if twin else [])
        return [entry_name(name, size) for name, alike in pairs for size in sizes if entry_name(alike, size) in seen]

    def _look(self) -> None:
        """Have each cell looked at by one GPU. Two whose processes it ends are not lost: the cell has failed."""
        queue, ended = [each.name for each in self.cells], dict[str, set[str]]()
        self.team.take()
        while queue and self.team.alive:
            hands = dict[str, Look]()
            for share in self.team.alive:
                for name in [name for name in queue if share.visible not in ended.get(name, ())][:1]:
                    queue.remove(name)
                    hands[share.visible] = Look(share, [name])
            done = self.team.each(look, hands)
            for gpu, hand in hands.items():
                if gpu not in done:
                    ended.setdefault(hand.cells[0], set()).add(gpu)
                    queue[:0] = hand.cells if self._goes_on(hand.cells[0], ended[hand.cells[0]]) else []
            self._take(done)
            self._looked = replace(self.found, timings={}, loads=0, seconds=0.0, info={}, answers={}, load_ms={})

    def _goes_on(self, cell: str, gpus: set[str]) -> bool:
        """Whether a cell that ended these GPUs' processes is tried on another one; it has failed where not."""
        if len(gpus) < TWICE and self.team.alive:
            return True
        why = self.team.lost[min(gpus)]
        failed = {entry_name(cell, size): why for size in self.plan.batch_sizes}
        self._looked = replace(self._looked, missing=self._looked.missing | failed)
        self.team.revive(gpus)
        return False

    def _ahead(self) -> int:
        """How many loads each GPU has before they are looked at: half of what is left of the minimum, or one."""
        least = self.schedule.early_loads or self.schedule.min_loads
        return max(1, math.ceil((least - self.loads) / len(self.team.alive) / 2))

    def _take(self, done: Mapping[str, Found]) -> None:
        """What each has found by now, in the place of what it had before; what one cannot time, none does."""
        for share in self.team.shares:
            place = share.plan.place
            if share.visible in self.team.lost:
                self._founds.pop(place, None)
            elif share.visible in done:
                self._founds[place] = _on(share.visible, done[share.visible])
        self.found = merged([self._looked, *self._founds.values()])
        self.loads = self.found.loads
        self.forget(set(self.found.missing))
        for name, timing in self.timings.items():
            timing.devices = len(self.team.shares)
            timing.blocks = merged_blocks(name, self._founds, timing.devices)


def _on(gpu: str, found: Found) -> Found:
    missing = {
        name: replace(why, reason=message("on_gpu", reason=why.reason, gpu=gpu)) for name, why in found.missing.items()
    }
    return replace(found, missing=missing)


def _energies(team: Team, loads: SharedLoads) -> dict[str, Energy]:
    """Each cell's energy at the largest batch size that it was timed at; the cells are dealt to the GPUs in turn."""
    sizes = {each.name: _largest(each.name, loads) for each in loads.cells}
    wanted = [(name, size) for name, size in sizes.items() if size is not None]
    alive, found = team.alive, dict.fromkeys(sizes, NO_SIZE)
    parts = {share.visible: dict(wanted[place :: len(alive)]) for place, share in enumerate(alive)}
    hands = {share.visible: EnergyShare(share, parts[share.visible]) for share in alive if parts[share.visible]}
    measured = team.each(measure_energy_share, hands)
    for gpu, part in parts.items():
        found |= measured.get(gpu, {}) if gpu not in team.lost else dict.fromkeys(part, _lost(team.lost[gpu]))
    return found


def _lost(why: Shortfall) -> Energy:
    return Energy(reason=why.reason)


def _largest(cell: str, loads: SharedLoads) -> int | None:
    sizes = [size for size in loads.plan.batch_sizes if entry_name(cell, size) in loads.timings]
    return max(sizes, default=None)


def _told(
    loads: SharedLoads, lost: Mapping[str, Shortfall], reports: Mapping[str, Device], energies: Mapping[str, Energy]
) -> list[tuple[str, DeviceSpeed]]:
    team = loads.team
    names = [each.name for each in loads.cells]
    nothing = {gpu: _nothing(names, why) for gpu, why in team.lost.items()}
    told = [
        (share.device, DeviceSpeed({}, {}, replace({**nothing, **reports}[share.visible], first_load=share.plan.place)))
        for share in team.shares
    ]
    if len(lost) == len(team.shares):
        speeds, timings, control = _all_lost(loads, next(iter(lost.values()))), dict[str, Timing](), None
    else:
        said = [message("gpu_lost", gpu=gpu, reason=why.reason) for gpu, why in lost.items()]
        figures = Figures(loads.cells, loads.plan, loads.found, loads.references, said)
        speeds = {
            each.name: figures.speed(each.name, figures.batches(each), energies[each.name]) for each in loads.cells
        }
        timings, control = kept_timings(loads.found), figures.aa_control()
    device, first = told[0]
    report = replace(first.report, aa_control=control)
    return [(device, DeviceSpeed(speeds, timings, report)), *told[1:]]


def _nothing(names: list[str], why: Shortfall) -> Device:
    return Device(cells=names, repeated_rounds=0, waited_s=0.0, conditions_reason=why.reason)


def _all_lost(loads: SharedLoads, why: Shortfall) -> dict[str, CellSpeed]:
    """Every row where no GPU is left."""
    batches = {size: batch_without_figures(why) for size in loads.plan.batch_sizes}
    return {each.name: CellSpeed(energy=Energy(reason=why.reason), batches=batches) for each in loads.cells}
