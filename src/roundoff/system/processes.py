"""Processes of this machine by their numbers: who still runs, and whose parent is who."""

from __future__ import annotations

import hashlib
import platform
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil

PROC = Path("/proc")
SKEW_S = 60.0


@cache
def here() -> str:
    """Eight hexadecimal digits, the same wherever process numbers mean the same: this boot, this namespace of them."""
    known = [platform.node()]
    with suppress(OSError):  # where there is no /proc, the machine's name has to do
        known += [
            (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii"),
            str((PROC / "self/ns/pid").readlink()),
        ]
    return hashlib.sha256("\n".join(known).encode()).hexdigest()[:8]


def has_ended(pid: int, last_seen: float) -> bool:
    """Whether the process that had this number at `last_seen` has ended; the number may be another's by now.

    `last_seen` is in seconds since 1970, perhaps by the clock of a disk's server.
    """
    try:
        process = psutil.Process(pid)
        return process.status() == psutil.STATUS_ZOMBIE or process.create_time() > last_seen + SKEW_S
    except psutil.NoSuchProcess:
        return True


def parent_of(pid: int) -> int:
    """The number of a process's parent; 0 where it has none, or none that is seen from here."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])  # after the name, which may hold anything


def environment_of(pid: int) -> dict[str, str]:
    """What a process was started with; empty where that may not be read."""
    try:
        listed = (PROC / str(pid) / "environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return {}
    return dict(word.split("=", 1) for word in listed if "=" in word)
