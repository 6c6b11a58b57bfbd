"""One kill -9 of `dvc repro` at a random moment of a stage, and what the next run makes of it."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from benchmarks.journal import Row
from benchmarks.kill.workspace import MARK, RUNNING, Started, State, Workspace

PREPARING = ("probe", "prepare", "train", "export", "calibrate", "sensitivity")
STAGES = (*PREPARING, "build-fp32", "build-fp16", "build-int8", "profile", "evaluate", "report")
KINDS = ("tree", "parent")
"""The whole process tree, and DVC's process alone."""
ANYWHERE = "anywhere"
ORPHAN_S = 4.0
"""A process that still runs so long after its DVC was killed is an orphan."""
TRIES = 5
PATIENCE_S = 600.0


@dataclass(frozen=True)
class Case:
    """What is killed when: in `stage`, or anywhere from DVC's start on while that stage has to run."""

    number: int
    stage: str
    kind: str
    anywhere: bool


@dataclass(frozen=True)
class Untouched:
    """What runs without a kill take and leave; `stable` are the files that are the same each time."""

    seconds: dict[str, float]
    state: State
    stable: frozenset[str]


def cases(count: int) -> list[Case]:
    """The stages in turn, each by both kinds; the last tenth at any moment of the whole command."""
    stages = len(STAGES)
    return [
        Case(number, STAGES[number % stages], KINDS[number // stages % 2], anywhere=number >= count * 9 // 10)
        for number in range(count)
    ]


def is_of(row: Row, case: Case) -> bool:
    """Whether a row is of such a kill, whatever its number and its moment."""
    return all(row[key] == getattr(case, key) for key in ("stage", "kind", "anywhere"))


def tried(case: Case, workspace: Workspace, untouched: Untouched) -> Row:
    """Kill, run again, and compare; a workspace that is not as it was is put back."""
    mark, began = f"{os.getpid()}-{case.number}", time.monotonic()
    hit, moment_s = _killed(case, mark, workspace, untouched.seconds)
    code, said, orphan_s = _recovered(mark, workspace)
    wrong = _wrong(workspace, untouched) if code == 0 else [f"exit code {code}: {' '.join(said[-6:])[-600:]}"]
    if orphan_s is not None and orphan_s > ORPHAN_S:
        wrong.append(f"an orphan was at work for {orphan_s:.1f} s")
    row = asdict(case) | {
        "hit": hit,
        "moment_s": round(moment_s, 3),
        "outlived_s": orphan_s,
        "mended": [line.strip() for line in said if "by a DVC that was killed" in line],
        "left_by_dvc": workspace.left_by_dvc(),
        "wrong": wrong,
        "seconds": round(time.monotonic() - began, 1),
    }
    if wrong:
        workspace.restore()
    return row


def _killed(case: Case, mark: str, workspace: Workspace, seconds: dict[str, float]) -> tuple[str, float]:
    """The stage that ran when the kill came, and the seconds since it, or DVC, had begun."""
    share = random.Random(f"kill {case.number}").random()
    span = sum(seconds[name] for name in ("probe", case.stage)) + 1.0 if case.anywhere else seconds[case.stage]
    for _ in range(TRIES):
        workspace.forget(case.stage)
        with workspace.start(mark, *_command(case)) as process:
            hit = _at_the_moment(process, None if case.anywhere else case.stage, share * span)
            _kill(process, case.kind)
        if process.returncode < 0:
            return hit, share * span
        share *= 0.8  # it had ended before: a quicker run than the untouched one
    raise RuntimeError(f"{case}: `dvc repro` ended {TRIES} times before the kill came, with {process.returncode}")


def _command(case: Case) -> list[str]:
    """`dvc repro`; of the stage alone where that is what is killed, so that DVC need not look at all others first."""
    return ["dvc", "repro", *([] if case.anywhere else ["--single-item", case.stage])]


def _at_the_moment(process: Started, stage: str | None, after_s: float) -> str:
    """Wait for the moment, `after_s` after the start of a stage or of DVC; the stage that then runs, or "dvc"."""
    hit, begun = ["dvc"], threading.Event()

    def listen() -> None:
        with suppress(ValueError):  # closed by who started it, after the kill
            for line in process.stdout or ():
                if found := RUNNING.search(line):
                    hit.append(found[1])
                    if found[1] == stage:
                        begun.set()
        begun.set()  # it has ended

    threading.Thread(target=listen, daemon=True).start()
    if stage is not None:
        begun.wait(PATIENCE_S)
    time.sleep(after_s)
    return hit[-1]


def _kill(process: Started, kind: str) -> None:
    with suppress(ProcessLookupError):
        if kind == "tree":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            os.kill(process.pid, signal.SIGKILL)


def _recovered(mark: str, workspace: Workspace) -> tuple[int, list[str], float | None]:
    """`roundoff run` at once: its exit code, what it said, and how long what was not killed went on beside it."""
    began, outlived_s = time.monotonic(), None
    said: list[str] = []
    with workspace.start(f"{mark} again", "roundoff.cli", "run") as process:
        listener = threading.Thread(target=lambda: said.extend(process.stdout or ()), daemon=True)
        listener.start()
        while process.poll() is None and time.monotonic() - began < PATIENCE_S:
            if marked(mark):
                outlived_s = round(time.monotonic() - began, 2)
            time.sleep(0.1)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    listener.join()
    for pid in marked(mark):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return process.returncode, said, outlived_s


def marked(mark: str) -> list[int]:
    """The running processes of a trial."""
    found = []
    for process in psutil.process_iter():
        with suppress(OSError, psutil.Error):
            environ = (Path("/proc") / str(process.pid) / "environ").read_bytes().split(b"\0")
            if f"{MARK}={mark}".encode() in environ and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def _wrong(workspace: Workspace, untouched: Untouched) -> list[str]:
    """What is not as an untouched run leaves it."""
    state = workspace.state()
    more, fewer = state.files.keys() - untouched.state.files.keys(), untouched.state.files.keys() - state.files.keys()
    other = [name for name in untouched.stable - fewer if state.files[name] != untouched.state.files[name]]
    wrong = [f"{what}: {', '.join(sorted(names))}" for what, names in _named(more, fewer, other) if names]
    if left := workspace.left():
        wrong.append(f"left behind: {', '.join(left)}")
    if state.accuracies != untouched.state.accuracies:
        wrong.append("other accuracies")
    return wrong


def _named(more: set[str], fewer: set[str], other: list[str]) -> list[tuple[str, set[str]]]:
    return [("files too many", more), ("files missing", fewer), ("files with other content", set(other))]
