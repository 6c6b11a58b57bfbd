"""The processes above a stage, up to the DVC that started it: a stage does not outlive them. By hand it has none."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from roundoff.system.processes import environment_of, parent_of

# DVC sets it for what it starts, so that shells between have it and DVC itself has not
STARTED_BY_DVC = "DVC_STAGE"


def starters() -> list[int]:
    """The processes from this one's parent up to DVC; none where DVC has not started it.

    Where DVC has ended already, this ends here, too.
    """
    if STARTED_BY_DVC not in os.environ:
        return []
    above = [os.getppid()]
    while STARTED_BY_DVC in environment_of(above[-1]):
        above.append(parent_of(above[-1]))
    if above[-1] == 0:  # outside this container: nothing can be known of it
        return above[:-1]
    if _took_over(above[-1]):
        os._exit(1)
    return above


def are_there(above: Sequence[int]) -> bool:
    """Whether all these processes still run: of one that ends, the children get another parent at once."""
    below = [os.getpid(), *above]
    return all(parent_of(child) == parent for child, parent in zip(below, above, strict=False))


def _took_over(pid: int) -> bool:
    """Whether a process is one that inherits orphans: it has another session than what DVC started, and is no DVC."""
    try:
        command = (Path("/proc") / str(pid) / "cmdline").read_bytes()
        return b"dvc" not in command and os.getsid(pid) != os.getsid(0)
    except OSError:  # it ended meanwhile, or may not be asked
        return False
