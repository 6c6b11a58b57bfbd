"""A lock on a file that all users of a machine share; the kernel releases it when its process ends, however it ends."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import stat
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from roundoff.errors import ConfigError, MachineError

ELSEWHERE = "ROUNDOFF_LOCK_DIRECTORY"
FIRST_POLLS_S, LATER_POLLS_S = 0.02, 0.2  # seldom: who waits must not disturb who times
FIRST_S = 1.0
SAY_EVERY_S = 60.0
COMMAND_LENGTH = 80
log = logging.getLogger(__name__)


@dataclass
class Patience:
    """One wait for `device`: says who holds `files`, at once and then each minute, and gives up after `timeout_s`."""

    device: str
    files: Sequence[Path]
    timeout_s: float | None = None
    started: float = field(default_factory=time.monotonic)
    said_s: float | None = None

    @property
    def waited_s(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.started

    def wait(self) -> None:
        """Wait a little; raises MachineError where that was too long."""
        waited = self.waited_s
        if self.timeout_s is not None and waited >= self.timeout_s:
            raise _busy(self, waited)
        if self.said_s is None or waited - self.said_s >= SAY_EVERY_S:
            self.said_s = waited
            log.warning(
                "warning: another job is at work on %s: waiting for %s, so that neither disturbs the other's times "
                "(waited %.0f s so far; evaluate.lock_timeout_s ends that, evaluate.lock_directory says where the lock "
                "lies: %s)",
                self.device,
                holders(self.files),
                waited,
                self.files[0],
            )
        time.sleep(FIRST_POLLS_S if waited < FIRST_S else LATER_POLLS_S)


def taken(path: Path, how: int, patience: Patience) -> int:
    """A descriptor that holds the lock `how` (LOCK_EX or LOCK_SH) of the file at `path`; close it to release.

    Raises ConfigError where there can be no such file, and MachineError where it was waited for too long.
    """
    while True:
        descriptor = opened(path)
        try:
            while not _locked(descriptor, how, path):
                patience.wait()
            if _is_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # someone has removed the file meanwhile: others lock a new one


def is_taken(path: Path) -> bool:
    """Whether another process, or another descriptor of this one, holds the lock."""
    descriptor = opened(path)
    try:
        return not _locked(descriptor, fcntl.LOCK_EX, path)
    finally:
        os.close(descriptor)


def opened(path: Path) -> int:
    """A descriptor of the lock's file, made where there is none. Never follows a link, waits or writes."""
    try:
        descriptor = _opened_or_made(path)
    except OSError as error:
        raise _refused(path, _words(error)) from error
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise _refused(path, "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device")
    return descriptor


def holders(files: Sequence[Path]) -> str:
    """The processes that hold one of the locks, with their commands, as far as they are visible here."""
    inodes = set()
    for path in files:
        with suppress(OSError):
            inodes.add(path.stat().st_ino)
    pids = sorted(_pids(inodes) - {os.getpid()})
    if not pids:
        return "a process that is not visible here (of another container or machine)"
    return ", ".join(f"process {pid}{_command(pid)}" for pid in pids)


def _opened_or_made(path: Path) -> int:
    # Linux refuses O_CREAT on another user's file in a sticky directory (fs.protected_regular), hence the two steps.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe would wait for who writes
    while True:
        with suppress(FileNotFoundError):
            return os.open(path, flags)
        with suppress(FileExistsError):  # another process was faster
            descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o644)
            os.fchmod(descriptor, 0o644)  # whatever the umask: others are to open it
            return descriptor


def _locked(descriptor: int, how: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # a file system that knows no such locks; NFS, of a file that is another user's
        raise _refused(path, f"a disk that gives no lock: {error.strerror}") from error
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _words(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "a link, which is not followed"
    if error.errno == errno.ENXIO:
        return "a pipe, a socket or a device"
    return error.strerror or str(error)


def _refused(path: Path, received: str) -> ConfigError:
    return ConfigError(
        "the lock of a device cannot be opened",
        received=f"{path} ({received})",
        expected="a file that every user may read, or room for one in a directory that is there",
        fix=f"remove what is there, or set evaluate.lock_directory or {ELSEWHERE} to a directory that all jobs on a "
        "device share",
    )


def _busy(patience: Patience, waited: float) -> MachineError:
    return MachineError(
        f"another job is at work on {patience.device}",
        received=f"its lock ({patience.files[0]}) held by {holders(patience.files)}; waited {waited:.0f} s",
        expected=f"a free device within evaluate.lock_timeout_s={patience.timeout_s:g}",
        fix="let that job end or end it, then run this stage again; evaluate.lock_timeout_s=null waits without limit",
    )


def _pids(inodes: set[int]) -> set[int]:
    """Processes of which the kernel says that they hold a lock on one of the files, not those that wait for one."""
    try:
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:  # a hardened container
        return set()
    fields = [line.split() for line in lines]
    held = [each for each in fields if len(each) > 5 and each[1] == "FLOCK"]
    return {int(each[4]) for each in held if int(each[5].rpartition(":")[2]) in inodes}


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""
    shown = words if len(words) <= COMMAND_LENGTH else f"{words[: COMMAND_LENGTH - 1]}…"
    return f" ({shown})" if words else ""
