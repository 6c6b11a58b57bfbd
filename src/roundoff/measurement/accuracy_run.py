"""The accuracy run: every cell's logits of the test set, which equal GPUs share, a part of it each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

import numpy as np

from roundoff.cells.cell import Cell
from roundoff.dataset.base import Images
from roundoff.measurement.answered import AccuracyRun, Answered, Missing, Part, answer
from roundoff.measurement.stopping import EarlyStop
from roundoff.measurement.workers import Workers
from roundoff.results.message import message
from roundoff.results.shortfall import Shortfall
from roundoff.system.progress import Bar, Silent, progress_bar


@dataclass(frozen=True)
class Share:
    """What one process runs of a cell: the test images from `first` to before `last`."""

    cell: Cell
    run: AccuracyRun
    first: int
    last: int


@dataclass(frozen=True)
class Running:
    """A share at work on one GPU."""

    workers: Workers
    gpu: str
    share: Share
    future: Future[Answered | Shortfall]

    @classmethod
    def of(cls, workers: Workers, gpu: str, share: Share) -> Running:
        """Started now."""
        return cls(workers, gpu, share, workers.submit(gpu, answer_share, share))

    def result(self) -> Answered | Shortfall:
        """What came of it; where the process died, which another cell may have caused, of a second try."""
        try:
            return self.future.result()
        except BrokenProcessPool:
            return self.workers.submit(self.gpu, answer_share, self.share).result()


@dataclass(frozen=True)
class Spread:
    """The GPUs that share a cell's test set, by their values of CUDA_VISIBLE_DEVICES; fewer than two: none does."""

    workers: Workers
    gpus: Sequence[str] = ()

    def started(self, cells: Sequence[Cell], run: AccuracyRun, count: int) -> dict[str, list[Running]]:
        """By name the cells that run on a GPU, at work on all of these."""
        if len(self.gpus) < 2:
            return {}
        ends = [round(part * count / len(self.gpus)) for part in range(len(self.gpus) + 1)]
        parts = [(gpu, a, b) for gpu, a, b in zip(self.gpus, ends[:-1], ends[1:], strict=True) if a < b]
        return {
            cell.name: [Running.of(self.workers, gpu, Share(cell, run, a, b)) for gpu, a, b in parts]
            for cell in cells
            if cell.loader.on_gpu
        }


def infer(
    cells: Sequence[Cell],
    images: Images,
    run: AccuracyRun,
    missing: Missing,
    spread: Spread,
    stop: EarlyStop | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> list[Answered]:
    """Run images uint8 [N, H, W, C] through every cell that was built and loads: all, or till `stop` has enough.

    A cell that may stop early is run by this process, since what one image says depends on those before it. What is to
    be done `meanwhile` is done while processes of several GPUs are at work.
    """
    built = [cell for cell in cells if cell.built.measured]
    order = np.arange(len(images)) if stop is None else stop.order
    with progress_bar("accuracy", len(built) * len(images)) as bar:
        elsewhere = {} if stop is not None else spread.started(built, run, len(images))
        # meanwhile, what this process runs itself
        part = Part(images, order, stop)
        if elsewhere:
            meanwhile()
        here = {cell.name: answer(cell, run, part, missing, bar) for cell in built if cell.name not in elsewhere}
        there = {
            cell.name: _gathered(cell, elsewhere[cell.name], run, missing, bar)
            for cell in built
            if cell.name in elsewhere
        }
    answered = {**here, **there}
    return [each for cell in built if (each := answered[cell.name]) is not None]


def answer_share(share: Share) -> Answered | Shortfall:
    """Run in a process of its own: what the cell answered, or why it did not."""
    images, missing = share.run.prepared.split("test").images, Missing()
    part = Part(images, np.arange(share.first, share.last))
    answered = answer(share.cell, share.run, part, missing, Silent())
    return answered or missing[share.cell.name]


def _gathered(cell: Cell, running: Sequence[Running], run: AccuracyRun, missing: Missing, bar: Bar) -> Answered | None:
    """One answer of all shares, as the first GPU's; each was told of all images, and has written its rows."""
    found: list[Answered] = []
    for each in running:
        with missing.note(cell.name, message("doing_test_set"), run.strict):
            result = each.result()
            if isinstance(result, Shortfall):
                missing.setdefault(cell.name, result)
                continue
            found.append(result)
            each.workers.devices[each.gpu] = result.device
            bar.advance(result.written.count / len(running), cell.name)
    return found[0] if len(found) == len(running) else None
