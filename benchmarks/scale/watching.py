"""A command with its seconds, its processor's seconds and the most anonymous memory of its processes together."""

from __future__ import annotations

import resource
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.02
PROC = Path("/proc")
TOLD = ("VmSize", "VmData", "RssAnon", "RssFile")


@dataclass(frozen=True)
class Watched:
    """An ended command: exit code, last words, wall and processor time in seconds, and peak RssAnon in MB (10⁶)."""

    code: int
    words: str
    wall_s: float
    processor_s: float
    anonymous_mb: float


def watched(command: Sequence[str], folder: Path, environment: dict[str, str]) -> Watched:
    """Run it to its end. Files that are mapped do not count: the system may drop their pages at any time."""
    before, started, peak = _children_s(), time.perf_counter(), 0.0
    with tempfile.TemporaryFile("w+") as output:
        with subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output) as process:
            while process.poll() is None:
                peak = max(peak, anonymous_mb(process.pid))
                time.sleep(POLL_S)
        wall_s = time.perf_counter() - started
        output.seek(0)
        return Watched(process.returncode, output.read()[-2000:], wall_s, _children_s() - before, peak)


def anonymous_mb(top: int) -> float:
    """RssAnon of a process and all below it, MB.

    A child that has its parent's memory still, as between a vfork and its program, is not counted a second time.
    """
    return sum(_tree(top, {})) * 1024 / 1e6


def _tree(process: int, above: dict[str, int]) -> Iterator[int]:
    own = _memory_kb(process)
    if own != above:
        yield own.get("RssAnon", 0)
    with suppress(OSError):
        for children in (PROC / str(process) / "task").glob("*/children"):
            for child in children.read_text().split():
                yield from _tree(int(child), own)


def _memory_kb(process: int) -> dict[str, int]:
    """Of a process what tells its memory from another's; empty where it has ended."""
    with suppress(OSError):
        lines = (line.split() for line in (PROC / str(process) / "status").read_text().splitlines())
        return {name[:-1]: int(rest[0]) for name, *rest in lines if name[:-1] in TOLD}
    return {}


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
