"""What takes long is made once for all processes of a test run, and read by each."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol


class Folders(Protocol):
    """pytest's factory of temporary folders, as far as it is needed."""

    def getbasetemp(self) -> Path: ...

    def mktemp(self, name: str, /) -> Path: ...


def once(factory: Folders, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first to ask for `name` fills by `make`, while the others wait; nobody may change it.

    Where `make` fails, so does each that asks: the next one makes it anew, in a folder of its own.
    """
    root = factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root  # all workers' folders lie in the run's
    made = root / f"once-{name}"
    with (root / f"once-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released as the file is closed, and with the process
        if not made.exists():
            folder = factory.mktemp(name)
            make(folder)
            made.symlink_to(folder)
    return made.resolve()
