"""Several equal GPUs: batch sizes spread over them, one process each, so that a ratio still comes from one device."""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

from roundoff.dataset.base import Prepared
from roundoff.errors import GateError
from roundoff.measurement.answered import Answered
from roundoff.measurement.latency import batch_without_figures
from roundoff.measurement.plan import CellSpeed, SpeedPlan
from roundoff.measurement.speed import DeviceSpeed, measure_device
from roundoff.pipeline.survival import die_with
from roundoff.results.cell import Energy
from roundoff.results.message import message
from roundoff.results.platform import Platform
from roundoff.results.run import Device
from roundoff.results.shortfall import Shortfall, tolerated

VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Share:
    """What one process measures: `visible` is the value of CUDA_VISIBLE_DEVICES under which it runs."""

    visible: str
    cells: Sequence[Answered]
    plan: SpeedPlan
    prepared: Prepared
    platform: Platform


class _NoTerminal(io.TextIOWrapper):
    """Standard error of a worker: messages get through, progress bars of several processes do not mix."""

    def isatty(self) -> bool:
        return False


def equal_gpus(device: str, platform: Platform) -> list[str]:
    """Values of CUDA_VISIBLE_DEVICES, one for each GPU of the same model as `device` (a UUID) that may be used.

    Empty for a CPU. Where the variable is set, what it names is taken, in its own words.
    """
    models = {gpu.uuid: gpu.name for gpu in platform.gpus if gpu.uuid}
    if device not in models:
        return []
    if set(models.values()) != {models[device]}:
        return [device]
    allowed = os.environ.get(VISIBLE)
    return [token.strip() for token in allowed.split(",") if token.strip()] if allowed else list(models)


def dealt(batch_sizes: Sequence[int], hands: int) -> list[list[int]]:
    """Batch sizes dealt in turn, so that small and large ones are mixed; no empty hands."""
    return [list(batch_sizes[first::hands]) for first in range(min(hands, len(batch_sizes)))]


def measure_on_several(
    gpus: Sequence[str], cells: Sequence[Answered], plan: SpeedPlan, prepared: Prepared, platform: Platform
) -> list[tuple[str, DeviceSpeed]]:
    """As `measure_device`, by device name, each with its share of the batch sizes.

    A share whose process raises or dies is a failure of its batch sizes, in every cell's row; the other shares stand.
    """
    hands = dealt(plan.batch_sizes, len(gpus))
    plans = [replace(plan, batch_sizes=sizes) for sizes in hands]
    shares = [Share(gpu, cells, part, prepared, platform) for gpu, part in zip(gpus, plans, strict=False)]
    context = multiprocessing.get_context("spawn")
    worker = partial(ProcessPoolExecutor, 1, context, _begin, (os.getpid(),))
    with ExitStack() as stack:
        # a pool each: a process that dies takes its whole pool along
        pools = [stack.enter_context(worker()) for _ in shares]
        running = [pool.submit(measure_share, share) for pool, share in zip(pools, shares, strict=True)]
        try:
            return [_outcome(share, future) for share, future in zip(shares, running, strict=True)]
        except SystemExit:  # a signal; the pools themselves would wait until they have measured everything
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _begin(parent: int) -> None:
    """Of a worker: Ctrl-C comes to all processes, and the parent ends its workers; they end when it is killed."""
    die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


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


def measure_share(share: Share) -> tuple[str, DeviceSpeed]:
    """Run in a process of its own: the device's name and what was found on it."""
    # Before the process touches CUDA, which reads it once.
    os.environ[VISIBLE] = share.visible
    sys.stderr = _NoTerminal(sys.stderr.buffer, line_buffering=True)
    device = _device(share)
    return device, measure_device(device, share.cells, share.plan, share.prepared.split("test").images)


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
