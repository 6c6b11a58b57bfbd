"""All cases of a family, in a worker of its own: one that dies or hangs costs a case, not the campaign."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from benchmarks.commands import environment
from benchmarks.journal import Row
from roundoff.pipeline.survival import die_with

HANGS_S = 300.0  # without a word from the worker; a whole stage is one case


@dataclass
class _Worker:
    """A family's worker from case `first` on."""

    process: subprocess.Popen[bytes]
    waiting: selectors.BaseSelector

    def line(self) -> Any:
        """What it says next; None where it is dead or says nothing in time, and is killed."""
        stream = self.process.stdout
        assert stream is not None
        if not self.waiting.select(HANGS_S):
            os.killpg(self.process.pid, signal.SIGKILL)  # with the stage that it may wait for
            return None
        said = stream.readline()
        return json.loads(said) if said.endswith(b"\n") else None


def rows_of(family: str, project: Path, scale: float, first: int = 0) -> Iterator[Row]:
    """What became of each case from number `first` on; one that ended or held up its worker is a traceback."""
    total: int | None = None
    while total is None or first < total:
        with tempfile.TemporaryFile() as errors:
            worker = _started(family, project, scale, first, errors)
            heading = worker.line()
            if heading is None:
                raise RuntimeError(f"the family {family} did not begin: {_last(worker, errors)}")
            total = heading["cases"]
            while (begun := worker.line()) is not None:
                became = worker.line() or {"outcome": "traceback", "words": _last(worker, errors)}
                first = begun["number"] + 1
                yield {"family": family, "file": begun["file"], "how": begun["how"], **became}
            worker.process.wait()
            if total == 0 or (worker.process.returncode and first == 0):
                return


def _started(family: str, project: Path, scale: float, first: int, errors: IO[bytes]) -> _Worker:
    command = [sys.executable, "-m", "benchmarks.hostile.families", family, str(project), str(scale), str(first)]
    quiet = environment(TF_CPP_MIN_LOG_LEVEL="3")
    process = subprocess.Popen(
        command,
        bufsize=0,
        stdout=subprocess.PIPE,
        stderr=errors,
        cwd=project,
        env=quiet,
        start_new_session=True,
        preexec_fn=partial(die_with, os.getpid()),
    )
    waiting = selectors.DefaultSelector()
    assert process.stdout is not None
    waiting.register(process.stdout, selectors.EVENT_READ)
    return _Worker(process, waiting)


def _last(worker: _Worker, errors: IO[bytes]) -> str:
    code = worker.process.wait()
    errors.seek(0)
    words = errors.read().decode("utf-8", "replace").split()[-60:]
    ending = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
    return f"{ending}: {' '.join(words)}"
