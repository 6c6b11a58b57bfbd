"""A process for each of several equal GPUs, kept from the accuracy run to the last measurement."""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from roundoff.pipeline.survival import die_with
from roundoff.results.platform import Platform

VISIBLE = "CUDA_VISIBLE_DEVICES"
Share = TypeVar("Share")
Found = TypeVar("Found")


class Workers:
    """Processes by the value of CUDA_VISIBLE_DEVICES that they run under, each started at its first work.

    A context manager, which ends them: at once where the stage is being stopped. `devices` is what is known of the GPU
    that each of them has.
    """

    def __init__(self) -> None:
        self.devices: dict[str, str] = {}
        self._pools: dict[str, ProcessPoolExecutor] = {}

    def submit(self, gpu: str, work: Callable[[Share], Found], share: Share) -> Future[Found]:
        """Have `work` done on that GPU, after what was submitted before; a process that died is started anew."""
        try:
            return self._pool(gpu).submit(work, share)
        except BrokenProcessPool:
            del self._pools[gpu]
            return self._pool(gpu).submit(work, share)

    def _pool(self, gpu: str) -> ProcessPoolExecutor:
        # a pool each: a process that dies takes its whole pool along
        if gpu not in self._pools:
            spawn = multiprocessing.get_context("spawn")
            self._pools[gpu] = ProcessPoolExecutor(1, spawn, _begin, (os.getpid(), gpu))
        return self._pools[gpu]

    def dismiss(self) -> None:
        """No more work comes: they end while the stage goes on."""
        for pool in self._pools.values():
            pool.shutdown(wait=False)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # a signal, or an error of the stage; the pools themselves would wait until all is measured
        if kind is not None:
            for process in multiprocessing.active_children():
                process.terminate()
        for pool in self._pools.values():
            pool.shutdown(cancel_futures=True)


class _NoTerminal(io.TextIOWrapper):
    """Standard error of a worker: messages get through, progress bars of several processes do not mix."""

    def isatty(self) -> bool:
        return False


def _begin(parent: int, visible: str) -> None:
    """Of a worker: Ctrl-C comes to all processes, and the parent ends its workers; they end when it is killed."""
    die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ[VISIBLE] = visible  # before the process touches CUDA, which reads it once
    sys.stderr = _NoTerminal(sys.stderr.buffer, line_buffering=True)


def equal_gpus(device: str | None, platform: Platform) -> list[str]:
    """Values of CUDA_VISIBLE_DEVICES, one for each GPU of the same model as `device` (a UUID) that may be used.

    Empty for a CPU; None is whatever GPU there is. Where the variable is set, what it names is taken, in its own words.
    """
    models = {gpu.uuid: gpu.name for gpu in platform.gpus if gpu.uuid}
    device = next(iter(models), None) if device is None else device
    if device not in models:
        return []
    if set(models.values()) != {models[device]}:
        return [device]
    allowed = os.environ.get(VISIBLE)
    return [token.strip() for token in allowed.split(",") if token.strip()] if allowed else list(models)
