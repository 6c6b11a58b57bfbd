"""Who times something on a device is alone there; who only computes on it shares it, and is let in between loads.

Three files, each a lock: DEVICE.lock is held alone by a job while it times and shared by those that do not.
DEVICE.turn is held while waiting for it: so that no stream of shared holders keeps a timing job out, and a timing job
sees that somebody waits. DEVICE.timing is held by a job from its first timed load to its last: those that time follow
each other, and only those that do not are let in.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from roundoff.system.lock_file import ELSEWHERE, Patience, is_taken, taken


@dataclass(frozen=True)
class Locking:
    """Where jobs wait for each other's devices, and how many seconds at most; None: the usual place, without limit."""

    directory: str | None = None
    timeout_s: float | None = None


ANYWHERE = Locking()


class Alone:
    """A device that no other job is at work on; `waited_s` is how long this one has waited for that, in all."""

    def __init__(self, device: str, locking: Locking) -> None:
        self._device, self._path, self.waited_s = device, lock_path(device, locking.directory), 0.0
        patience = self._patience(locking.timeout_s)
        self._timing = taken(self._path.with_suffix(".timing"), fcntl.LOCK_EX, patience)
        try:
            self._lock = _entered(self._path, fcntl.LOCK_EX, patience)
        except BaseException:
            os.close(self._timing)
            raise
        self.waited_s += patience.waited_s

    def let_others_in(self) -> float:
        """Let those go first who wait and time nothing; the seconds that took, however long: they end by themselves."""
        if not is_taken(self._path.with_suffix(".turn")):
            return 0.0
        patience = self._patience(None)
        fcntl.flock(self._lock, fcntl.LOCK_UN)
        again = _entered(self._path, fcntl.LOCK_EX, patience)
        os.close(self._lock)
        self._lock = again
        self.waited_s += patience.waited_s
        return patience.waited_s

    def close(self) -> None:
        """Give the device back."""
        os.close(self._lock)
        os.close(self._timing)

    def _patience(self, timeout_s: float | None) -> Patience:
        return Patience(self._device, _files(self._path), timeout_s)


@contextmanager
def device_lock(device: str, locking: Locking = ANYWHERE) -> Iterator[Alone]:
    """Be alone on `device` ("cpu", or a GPU's UUID) on this machine.

    Raises ConfigError where no lock can lie, MachineError where another job holds it longer than `locking` allows.
    """
    alone = Alone(device, locking)
    try:
        yield alone
    finally:
        alone.close()


@contextmanager
def shared_device(device: str, locking: Locking = ANYWHERE) -> Iterator[float]:
    """Compute on `device` while nobody times anything there; yields the seconds spent waiting. Raises as the other."""
    path = lock_path(device, locking.directory)
    patience = Patience(device, _files(path), locking.timeout_s)
    descriptor = _entered(path, fcntl.LOCK_SH, patience)
    try:
        yield patience.waited_s
    finally:
        os.close(descriptor)


def lock_path(device: str, directory: str | None = None) -> Path:
    """The lock's file: in `directory`, else in ROUNDOFF_LOCK_DIRECTORY, else where every job and user here meets."""
    readable = re.sub(r"[^A-Za-z0-9-]", "_", device)[:60]
    unique = hashlib.sha256(device.encode()).hexdigest()[:8]
    return Path(directory or os.environ.get(ELSEWHERE) or _shared()) / f"roundoff-{readable}-{unique}.lock"


def _files(path: Path) -> tuple[Path, ...]:
    return (path, path.with_suffix(".turn"), path.with_suffix(".timing"))


def _entered(path: Path, how: int, patience: Patience) -> int:
    turn = taken(path.with_suffix(".turn"), fcntl.LOCK_EX, patience)
    try:
        return taken(path, how, patience)
    finally:
        os.close(turn)


def _shared() -> str:
    # not tempfile.gettempdir(): jobs with a TMPDIR of their own must meet here all the same
    return "/tmp" if Path("/tmp").is_dir() else tempfile.gettempdir()
