"""A process of its own for the networks, so that what ends it is a row and not the end of the run."""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from benchmarks.fuzz.cells import tried
from benchmarks.journal import Row
from roundoff.pipeline.survival import die_with


def rows(seeds: Iterable[int]) -> Iterator[Row]:
    """The row of each network; one that ends the process has crashed."""
    pool = _started()
    for seed in seeds:
        try:
            yield pool.submit(tried, seed).result()
        except BrokenProcessPool as error:
            yield {"seed": seed, "outcomes": {"process": f"crash: {error}"}, "errors": {}}
            pool = _started()
    pool.shutdown()


def _started() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _begin, (os.getpid(),))


def _begin(parent: int) -> None:
    """The process ends with who started it, and warnings of calibration are no news."""
    die_with(parent)
    logging.disable()
