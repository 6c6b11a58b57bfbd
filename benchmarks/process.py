"""A command with its seconds and the most memory that it and its children held together."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.commands import environment

POLL_S = 0.2


@dataclass(frozen=True)
class Ran:
    """An ended command: its exit code (negative: the signal), output, seconds, and peak of the summed PSS in MB."""

    code: int
    output: str
    errors: str
    seconds: float
    peak_mb: float


def ran(*arguments: str, folder: Path | None = None, python: str = sys.executable) -> Ran:
    """Run an interpreter, this one by default, with these arguments to its end, in `folder`, watching its memory."""
    start, peak = time.monotonic(), 0.0
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        command = [python, *arguments]
        with subprocess.Popen(command, cwd=folder, env=environment(), stdout=output, stderr=errors) as process:
            top = psutil.Process(process.pid)
            while process.poll() is None:
                peak = max(peak, tree_pss_mb(top))
                time.sleep(POLL_S)
        seconds = time.monotonic() - start
        output.seek(0)
        errors.seek(0)
        return Ran(process.returncode, output.read(), errors.read(), seconds, peak)


def tree_pss_mb(top: psutil.Process) -> float:
    """The proportional set size of a process and all below it."""
    total = 0
    with suppress(psutil.Error):
        for process in [top, *top.children(recursive=True)]:
            with suppress(psutil.Error):
                total += process.memory_full_info().pss
    return total / 1e6
