"""Speed of the cells of one device: load time, latency, throughput and energy, under the device's lock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from roundoff.dataset.base import Images
from roundoff.measurement.answered import Answered
from roundoff.measurement.bench import Bench
from roundoff.measurement.energy import Monitor, monitor_for
from roundoff.measurement.enough import Schedule
from roundoff.measurement.figures import CONTROL, Figures, entrants_of, references_of
from roundoff.measurement.found import Found
from roundoff.measurement.plan import CellSpeed, SpeedPlan
from roundoff.measurement.samples import Timing
from roundoff.measurement.timing import Interleaved
from roundoff.results.cell import Energy
from roundoff.results.run import Device
from roundoff.system.device_lock import Alone, device_lock
from roundoff.system.progress import progress_bar


@dataclass(frozen=True)
class DeviceSpeed:
    """What was found on one device: by cell name, raw samples by entry name, and how the device was timed."""

    cells: dict[str, CellSpeed]
    timings: dict[str, Timing]
    report: Device


def measure_device(device: str, cells: Sequence[Answered], plan: SpeedPlan, images: Images) -> DeviceSpeed:
    """Time `cells` on one device; images uint8 [N, H, W, C] are the test set.

    A batch size that fails, or whose timed mode computes something else than the accuracy run did, has no figures, and
    its row says why.
    """
    with device_lock(device, plan.locking) as alone:
        bench = Bench(cells, plan, images)
        names = bench.first_load()
        monitor = monitor_for(device)
        references = references_of(cells, plan, names)
        loop = Interleaved(
            names,
            bench.fresh,
            references,
            schedule_for(cells, plan),
            monitor,
            plan.seed,
            on_error=bench.drop,
            between_loads=alone.let_others_in,
            entrants=entrants_of(cells, plan),
        )
        with _timing_bar(device, loop) as show:
            loop.run(show)
        found = found_by(bench, loop)
        figures = Figures(cells, plan, found, loop.references)
        batches = {each.name: figures.batches(each) for each in cells}
        bench.measure_energy(device, {each.name: bench.largest(each.name) for each in cells})
    report = replace(reported(found, cells, alone, monitor), aa_control=figures.aa_control())
    speeds = {name: figures.speed(name, each, bench.energy.get(name, Energy())) for name, each in batches.items()}
    return DeviceSpeed(speeds, kept_timings(found), report)


def schedule_for(cells: Sequence[Answered], plan: SpeedPlan) -> Schedule:
    """The plan's, with a load for each build at least."""
    builds, early = max(len(each.cell.builds) for each in cells), plan.schedule.early_loads
    return replace(
        plan.schedule,
        min_loads=max(plan.schedule.min_loads, builds),
        early_loads=None if early is None else max(early, builds),
    )


def found_by(bench: Bench, loop: Interleaved | None, entries: Sequence[str] = (), seconds: float = 0.0) -> Found:
    """What a bench found so far, and its timing loop, if there was one already."""
    return Found(
        entries=list(entries),
        timings=loop.timings if loop else {},
        loads=loop.loads if loop else 0,
        seconds=seconds,
        repeated_rounds=loop.repeated_rounds if loop else 0,
        missing=bench.missing,
        info=bench.info,
        answers=bench.answers,
        load_ms=bench.load_ms,
        memory_mb=bench.memory_mb,
    )


def reported(found: Found, cells: Sequence[Answered], alone: Alone, monitor: Monitor) -> Device:
    """How a device was timed; what the control showed is for the caller to add."""
    return Device(
        cells=[each.name for each in cells],
        loads=found.loads,
        rounds=found.rounds,
        repeated_rounds=found.repeated_rounds,
        waited_s=alone.waited_s,
        conditions=monitor.conditions(),
        conditions_reason=monitor.reason,
    )


def kept_timings(found: Found) -> dict[str, Timing]:
    """The raw samples of the entries that have figures, without the control's."""
    kept = {name: timing for name, timing in found.timings.items() if name not in found.missing}
    return {name: timing for name, timing in kept.items() if not name.startswith(f"{CONTROL}/")}


def measure_energies(
    device: str, sizes: Mapping[str, int], cells: Sequence[Answered], plan: SpeedPlan, images: Images
) -> dict[str, Energy]:
    """By name the energy of the cells that `sizes` names, each at that batch size, where it was timed."""
    named = [each for each in cells if each.name in sizes]
    with device_lock(device, plan.locking):
        bench = Bench(named, replace(plan, batch_sizes=sorted(set(sizes.values())), aa_control=False), images)
        bench.measure_energy(device, sizes)
    return bench.energy


@contextmanager
def _timing_bar(device: str, loop: Interleaved) -> Iterator[Callable[[float], None]]:
    with progress_bar(f"timing on {device}", 100) as bar:
        shown = 0.0

        def show(share: float) -> None:
            nonlocal shown
            now = min(100.0, 100 * share)
            bar.advance(now - shown, f"load {loop.loads}")
            shown = now

        yield show
