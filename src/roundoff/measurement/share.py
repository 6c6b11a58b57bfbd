"""What the process of one of several GPUs does: its share of the loads, step by step, as the stage asks for them."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

from roundoff.dataset.base import Prepared
from roundoff.errors import GateError
from roundoff.measurement.answered import Answered
from roundoff.measurement.bench import Bench
from roundoff.measurement.energy import Monitor, monitor_for
from roundoff.measurement.found import Found
from roundoff.measurement.plan import SpeedPlan
from roundoff.measurement.speed import found_by, measure_energies, reported, schedule_for
from roundoff.measurement.timing import Interleaved
from roundoff.measurement.workers import VISIBLE
from roundoff.results.cell import Energy
from roundoff.results.message import message
from roundoff.results.platform import Platform
from roundoff.results.run import Device
from roundoff.results.shortfall import Shortfall, tolerated
from roundoff.system.device_lock import Alone, device_lock


@dataclass(frozen=True)
class Share:
    """What one process times `of` so many: `visible` is its value of CUDA_VISIBLE_DEVICES, `device` its GPU."""

    visible: str
    device: str
    cells: Sequence[Answered]
    plan: SpeedPlan
    prepared: Prepared
    platform: Platform
    of: int = 1


@dataclass(frozen=True)
class Look:
    """Cells to load alone, untimed, at all batch sizes."""

    share: Share
    cells: Sequence[str]


@dataclass(frozen=True)
class Loads:
    """So many loads of these entries."""

    share: Share
    entries: Sequence[str]
    count: int


@dataclass(frozen=True)
class EnergyShare:
    """Cells whose energy is measured, each at its batch size."""

    share: Share
    sizes: Mapping[str, int]


@dataclass
class Session:
    """A share at work: its device is held until it is closed."""

    share: Share
    stack: ExitStack
    alone: Alone
    bench: Bench
    monitor: Monitor
    loop: Interleaved | None = None
    entries: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @classmethod
    def of(cls, share: Share) -> Session:
        """With the device's lock, for which it waits."""
        with ExitStack() as stack:
            alone = stack.enter_context(device_lock(share.device, share.plan.locking))
            bench = Bench(share.cells, share.plan, share.prepared.split("test").images)
            return cls(share, stack.pop_all(), alone, bench, monitor_for(share.device))

    def load(self, entries: Sequence[str], count: int) -> None:
        """Time so many loads; between them others are let in, whose time does not count."""
        if self.loop is None:
            self.loop = self._loop(entries)
        for _ in range(count if entries else 0):
            if self.loop.loads:
                self.alone.let_others_in()
            started = time.perf_counter()
            entries = self.loop.load(entries)
            self.seconds += time.perf_counter() - started

    def _loop(self, entries: Sequence[str]) -> Interleaved:
        plan, bench = self.share.plan, self.bench
        whole, seed = schedule_for(self.share.cells, plan), (plan.seed, plan.place)
        part = replace(
            whole,
            min_loads=math.ceil(whole.min_loads / self.share.of),
            min_seconds=whole.min_seconds / self.share.of,
        )
        return Interleaved(entries, bench.fresh, {}, part, self.monitor, seed, on_error=bench.drop)

    def found(self) -> Found:
        """All so far."""
        return found_by(self.bench, self.loop, self.entries, self.seconds)


_SESSIONS: dict[str, Session] = {}  # of this process, by device: one


def device_of(share: Share) -> str:
    """Run in the GPU's process: the device that the engines are loaded on; GateError where none of them loads."""
    tried: list[Shortfall] = []
    for each in share.cells:
        with tolerated(message("doing_loading"), tried.append), each.cell.open(share.platform) as runner:
            return runner.device
    reasons = "; ".join(f"{each.name}: {why.reason}" for each, why in zip(share.cells, tried, strict=True))
    raise GateError(
        f"no engine loads on GPU {share.visible}, which is to time a share of the loads",
        received=reasons,
        expected="an engine that loads there",
        fix=f"free that GPU, leave it out of {VISIBLE}, or set evaluate.multi_gpu=false",
    )


def take(share: Share) -> None:
    """Run there: hold the device, for which it may wait, till `report` or `give_back`."""
    give_back(share)
    _SESSIONS[share.device] = Session.of(share)


def give_back(share: Share) -> None:
    """Run there: let others have the device; what was found is gone."""
    session = _SESSIONS.pop(share.device, None)
    if session is not None:
        session.stack.close()


@contextmanager
def _session(share: Share) -> Iterator[Session]:
    """The share's session, which what is raised ends."""
    try:
        yield _SESSIONS[share.device]
    except BaseException:
        give_back(share)
        raise


def look(wanted: Look) -> Found:
    """Run there, with the device taken: load each of the cells alone."""
    with _session(wanted.share) as session:
        session.entries += session.bench.first_load(wanted.cells)
        return session.found()


def load(wanted: Loads) -> Found:
    """Run there afterwards: time some loads."""
    with _session(wanted.share) as session:
        session.load(wanted.entries, wanted.count)
        return session.found()


def report(share: Share) -> Device:
    """Run there at the end: how the device was timed. It is given back."""
    with _session(share) as session:
        told = reported(session.found(), share.cells, session.alone, session.monitor)
    give_back(share)
    return told


def measure_energy_share(hand: EnergyShare) -> dict[str, Energy]:
    """Run there after that: energy by cell name."""
    share = hand.share
    images = share.prepared.split("test").images
    return measure_energies(share.device, hand.sizes, share.cells, share.plan, images)
