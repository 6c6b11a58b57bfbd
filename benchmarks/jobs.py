"""Work shared out among processes, each on processors of its own: for what is counted, not for what is timed."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, TypeVar

from roundoff.system.progress import track

Item = TypeVar("Item")
Result = TypeVar("Result")


def shared_out(work: Callable[[Item], Result], items: Sequence[Item], jobs: int, name: str) -> Iterator[Result]:
    """Yield what `work` makes of each item: in order by this process, or as they are done by `jobs` others.

    `work` must be picklable. A job, and the processes that it starts, may run on its share of the processors alone.
    """
    if jobs == 1:
        yield from map(work, track(items, name))
        return
    spawn = multiprocessing.get_context("spawn")
    shares = spawn.Queue()
    for share in processors(jobs):
        shares.put(share)
    with ProcessPoolExecutor(jobs, spawn, _pin, (shares,)) as pool:
        pending = [pool.submit(work, item) for item in items]
        for done in track(as_completed(pending), name, total=len(pending)):
            yield done.result()


def processors(jobs: int) -> list[list[int]]:
    """This process's processors in `jobs` shares; where there are fewer of them than jobs, shares are used twice."""
    own = sorted(os.sched_getaffinity(0))
    count = min(jobs, len(own))
    return [own[job % count :: count] for job in range(jobs)]


def _pin(shares: Any) -> None:
    os.sched_setaffinity(0, shares.get())
