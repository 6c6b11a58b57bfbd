"""Several equal GPUs: batch sizes spread over them, one process each, so that a ratio still comes from one device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

from roundoff.dataset.base import Images, Prepared
from roundoff.errors import GateError
from roundoff.measurement.answered import Answered
from roundoff.measurement.latency import batch_without_figures
from roundoff.measurement.plan import CellSpeed, SpeedPlan
from roundoff.measurement.put_together import merged_speeds
from roundoff.measurement.speed import DeviceSpeed, measure_device, measure_energies
from roundoff.measurement.workers import VISIBLE, Workers
from roundoff.results.cell import Energy
from roundoff.results.message import message
from roundoff.results.platform import Platform
from roundoff.results.run import Device
from roundoff.results.shortfall import Shortfall, tolerated

NO_SIZE = Energy(reason=message("no_batch_size_runs"))


@dataclass(frozen=True)
class Share:
    """What one process measures: `visible` is the value of CUDA_VISIBLE_DEVICES under which it runs."""

    visible: str
    cells: Sequence[Answered]
    plan: SpeedPlan
    prepared: Prepared
    platform: Platform

    @property
    def images(self) -> Images:
        """The test images uint8 [N, H, W, C], memory-mapped."""
        return self.prepared.split("test").images


@dataclass(frozen=True)
class EnergyShare:
    """Cells whose energy one process measures, each at its batch size, on a device."""

    share: Share
    device: str
    sizes: Mapping[str, int]


def dealt(batch_sizes: Sequence[int], hands: int) -> list[list[int]]:
    """Batch sizes dealt largest first, to and fro, so that none has only the long ones; no empty hands.

    The hands are ascending, and begin with the one that has the largest.
    """
    given: list[list[int]] = [[] for _ in range(min(hands, len(batch_sizes)))]
    for place, size in enumerate(sorted(batch_sizes, reverse=True)):
        turn, hand = divmod(place, len(given))
        given[len(given) - 1 - hand if turn % 2 else hand].insert(0, size)
    return given


def measure_on_several(
    workers: Workers,
    gpus: Sequence[str],
    cells: Sequence[Answered],
    plan: SpeedPlan,
    prepared: Prepared,
    platform: Platform,
) -> list[tuple[str, DeviceSpeed]]:
    """As `measure_device`, by device name, each with its share of the batch sizes and of the budget for them.

    A share whose process raises or dies is a failure of its batch sizes, in every cell's row; the other shares stand.
    """
    plans = [_part_of(plan, sizes) for sizes in dealt(plan.batch_sizes, len(gpus))]
    shares = [Share(gpu, cells, part, prepared, platform) for gpu, part in zip(gpus, plans, strict=False)]
    running = [workers.submit(share.visible, measure_share, share) for share in shares]
    timed = [_outcome(share, future) for share, future in zip(shares, running, strict=True)]
    energies = _energies(workers, shares, timed)
    return [(device, _with_energy(speed, energies)) for device, speed in timed]


def _part_of(plan: SpeedPlan, sizes: list[int]) -> SpeedPlan:
    budget_s = plan.schedule.budget_seconds * len(sizes) / len(plan.batch_sizes)
    return replace(plan, batch_sizes=sizes, schedule=replace(plan.schedule, budget_seconds=budget_s))


def _outcome(share: Share, measured: Future[tuple[str, DeviceSpeed]]) -> tuple[str, DeviceSpeed]:
    lost: list[Shortfall] = []
    with tolerated(message("doing_share", gpu=share.visible), lost.append, share.plan.strict):
        return measured.result()
    return f"GPU {share.visible}", _nothing(share, lost[0])


def _nothing(share: Share, why: Shortfall) -> DeviceSpeed:
    """What a share is that was lost as a whole."""
    batches = {size: batch_without_figures(why) for size in share.plan.batch_sizes}
    speed = CellSpeed(energy=Energy(reason=why.reason), batches=batches)
    names = [each.name for each in share.cells]
    report = Device(cells=names, repeated_rounds=0, waited_s=0.0, conditions_reason=why.reason)
    return DeviceSpeed(dict.fromkeys(names, speed), {}, report)


def _energies(workers: Workers, shares: Sequence[Share], timed: Sequence[tuple[str, DeviceSpeed]]) -> dict[str, Energy]:
    """Each cell's energy at the largest batch size that it was timed at; the cells are dealt to the GPUs in turn."""
    merged = merged_speeds([speed for _, speed in timed])
    sizes = {name: [size for size, batch in speed.batches.items() if batch.runs] for name, speed in merged.items()}
    largest = {name: max(timed_at) for name, timed_at in sizes.items() if timed_at}
    # a GPU whose share was lost has told no device
    able = [(share, device) for share, (device, speed) in zip(shares, timed, strict=True) if speed.timings]
    parts = [list(largest.items())[first :: len(able)] for first in range(len(able))]
    hands = [EnergyShare(share, device, dict(part)) for (share, device), part in zip(able, parts, strict=True) if part]
    running = [workers.submit(hand.share.visible, measure_energy_share, hand) for hand in hands]
    found = dict.fromkeys(merged, NO_SIZE)
    for hand, future in zip(hands, running, strict=True):
        found |= _energy_outcome(hand, future)
    return found


def _energy_outcome(hand: EnergyShare, measured: Future[dict[str, Energy]]) -> dict[str, Energy]:
    lost: list[Shortfall] = []
    with tolerated(message("doing_energy"), lost.append, hand.share.plan.strict):
        return measured.result()
    return dict.fromkeys(hand.sizes, Energy(reason=lost[0].reason))


def _with_energy(speed: DeviceSpeed, energies: Mapping[str, Energy]) -> DeviceSpeed:
    return replace(speed, cells={name: replace(cell, energy=energies[name]) for name, cell in speed.cells.items()})


def measure_share(share: Share) -> tuple[str, DeviceSpeed]:
    """Run in a process of its own: the device's name and what was found on it, energy left out."""
    device = _device(share)
    return device, measure_device(device, share.cells, share.plan, share.images, with_energy=False)


def measure_energy_share(hand: EnergyShare) -> dict[str, Energy]:
    """Run in the same process afterwards: energy by cell name."""
    share = hand.share
    return measure_energies(hand.device, hand.sizes, share.cells, share.plan, share.images)


def _device(share: Share) -> str:
    """The device that the engines are loaded on; GateError where none of them loads."""
    tried: list[Shortfall] = []
    for each in share.cells:
        with tolerated(message("doing_loading"), tried.append), each.cell.open(share.platform) as runner:
            return runner.device
    reasons = "; ".join(f"{each.name}: {why.reason}" for each, why in zip(share.cells, tried, strict=True))
    raise GateError(
        f"no engine loads on GPU {share.visible}, which is to time a share of the batch sizes",
        received=reasons,
        expected="an engine that loads there",
        fix=f"free that GPU, leave it out of {VISIBLE}, or set evaluate.multi_gpu=false",
    )
