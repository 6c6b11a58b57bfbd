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
    """RssAnon of a process and all below it, MB."""
    return sum(_own_kb(pid) for pid in _tree(top)) * 1024 / 1e6


def _tree(top: int) -> Iterator[int]:
    yield top
    with suppress(OSError):
        for children in (PROC / str(top) / "task").glob("*/children"):
            for child in children.read_text().split():
                yield from _tree(int(child))


def _own_kb(pid: int) -> int:
    with suppress(OSError):
        for line in (PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1])
    return 0


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
