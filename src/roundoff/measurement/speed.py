"""Speed of the cells of one device: load time, latency, throughput and energy, under the device's lock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from roundoff.dataset.base import Images
from roundoff.measurement.answered import Answered
from roundoff.measurement.bench import CONTROL, Bench
from roundoff.measurement.energy import monitor_for
from roundoff.measurement.plan import CellSpeed, SpeedPlan
from roundoff.measurement.samples import Timing
from roundoff.measurement.timing import Interleaved
from roundoff.results.cell import Energy
from roundoff.results.run import Device
from roundoff.system.device_lock import device_lock
from roundoff.system.progress import progress_bar


@dataclass(frozen=True)
class DeviceSpeed:
    """What was found on one device: by cell name, raw samples by entry name, and how the device was timed."""

    cells: dict[str, CellSpeed]
    timings: dict[str, Timing]
    report: Device


def measure_device(
    device: str, cells: Sequence[Answered], plan: SpeedPlan, images: Images, with_energy: bool = True
) -> DeviceSpeed:
    """Time `cells` on one device; images uint8 [N, H, W, C] are the test set.

    A batch size that fails, or whose timed mode computes something else than the accuracy run did, has no figures, and
    its row says why.
    """
    with device_lock(device, plan.locking) as alone:
        bench = Bench(cells, plan, images)
        names = bench.first_load()
        monitor = monitor_for(device)
        builds = max(len(each.cell.builds) for each in cells)
        early = plan.schedule.early_loads
        schedule = replace(
            plan.schedule,
            min_loads=max(plan.schedule.min_loads, builds),
            early_loads=None if early is None else max(early, builds),
        )
        references = bench.references(names)
        loop = Interleaved(
            names,
            bench.fresh,
            references,
            schedule,
            monitor,
            plan.seed,
            on_error=bench.drop,
            between_loads=alone.let_others_in,
        )
        with _timing_bar(device, loop) as show:
            loop.run(show)
        batches = {each.name: bench.batches(each, loop) for each in cells}
        if with_energy:
            bench.measure_energy(device, {each.name: bench.largest(each.name) for each in cells})
    kept = {name: timing for name, timing in loop.timings.items() if name not in bench.missing}
    timings = {name: timing for name, timing in kept.items() if not name.startswith(f"{CONTROL}/")}
    report = Device(
        cells=[each.name for each in cells],
        loads=loop.loads,
        rounds=max((len(timing.blocks) for timing in loop.timings.values()), default=0),
        repeated_rounds=loop.repeated_rounds,
        waited_s=alone.waited_s,
        conditions=monitor.conditions(),
        conditions_reason=monitor.reason,
        aa_control=bench.aa_control(loop),
    )
    return DeviceSpeed({name: bench.speed(name, measured) for name, measured in batches.items()}, timings, report)


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
