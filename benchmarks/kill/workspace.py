"""A copy of the checkout with a tiny job: what is killed is to be the pipeline, not a long training."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.commands import ROOT
from benchmarks.quick import FEW_IMAGES, TIMING
from roundoff.system.files import sha256_of

TINY = (
    "model=plain",
    "train.epochs=3",
    "train.learning_rate=0.02",
    "backend=onnxruntime",
    "backends.onnxruntime.threads=1",
    "export.parity_images=16",
    *FEW_IMAGES,
    "evaluate.batch_sizes=[1]",
    *TIMING,
    "evaluate.aa_control=false",
    "evaluate.chance_margin=0.01",
    "report.flip_examples=0",
)
MODEL = "_target_: roundoff.model.plain.Plain\nwidth: 8\n"
PRECISIONS = ("fp32", "fp16", "int8")
RUNNING = re.compile(r"Running stage '([^']+)'")
MARK = "ROUNDOFF_KILL_TRIAL"
"""An environment variable by which a trial's processes are known."""
CACHE = Path(".dvc/cache")
OBJECT = re.compile(r"[0-9a-f]{2}/[0-9a-f]{30}(\.dir)?")
Started = subprocess.Popen[str]


@dataclass(frozen=True)
class State:
    """What a finished run leaves: the hash of each file by name, and the accuracies by precision."""

    files: dict[str, str]
    accuracies: dict[str, Any]


class Workspace:
    """The copy, in git, and the folder `tmp` beside it for temporary files and locks."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.temporary = folder / "checkout", folder / "tmp"
        self._locks, self._kept = folder / "locks", folder / "kept"
        for made in (self.folder, self.temporary, self._locks):
            made.mkdir(parents=True)
        for name in _listed():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.folder / name)
        shutil.copy(Path(__file__).with_name("plain.py"), self.folder / "src/roundoff/model/plain.py")
        (self.folder / "conf/model/plain.yaml").write_text(MODEL, encoding="utf-8")
        for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "start"]):
            identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
            subprocess.run(["git", *identity, *command], cwd=self.folder, check=True)
        subprocess.run(
            [sys.executable, "-m", "roundoff.pipeline.params", *TINY],
            cwd=self.folder,
            env=self._environment(""),
            check=True,
        )

    def start(self, mark: str, *command: str) -> Started:
        """A Python module, such as `dvc repro`, in a session of its own; its processes carry the mark."""
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=self.folder,
            env=self._environment(mark),
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )

    def timed(self) -> dict[str, float]:
        """Run all stages; the seconds of each, what DVC does after it included. Raises RuntimeError where one fails."""
        began: dict[str, float] = {}
        with self.start("", "dvc", "repro", "--force") as process:
            said = []
            for line in process.stdout or ():
                said.append(line)
                if stage := RUNNING.search(line):
                    began[stage[1]] = time.monotonic()
        if process.returncode:
            raise RuntimeError("the untouched run failed:\n" + "".join(said[-20:]))
        ends = [*list(began.values())[1:], time.monotonic()]
        return {stage: end - start for (stage, start), end in zip(began.items(), ends, strict=True)}

    def forget(self, stage: str) -> None:
        """Let DVC run a stage again: it knows nothing of former runs."""
        shutil.rmtree(self.folder / CACHE / "runs", ignore_errors=True)
        lock = self.folder / "dvc.lock"
        known = yaml.safe_load(lock.read_text(encoding="utf-8"))
        known["stages"].pop(stage, None)
        lock.write_text(yaml.safe_dump(known, sort_keys=False), encoding="utf-8")

    def state(self) -> State:
        """What is there now; git's own files, DVC's and Python's bytecode left out."""
        files = {name: sha256_of(self.folder / name) for name in self._names()}
        metrics = {name: json.loads((self.folder / f"metrics/{name}.json").read_text()) for name in PRECISIONS}
        return State(files, {name: each["onnxruntime"]["accuracy"] for name, each in metrics.items()})

    def left(self) -> list[str]:
        """What no run that ended would have left: temporary files, and files half written."""
        partial = [name for name in self._names() if ".partial." in name]
        return [*partial, *(f"$TMPDIR/{path.name}" for path in self.temporary.iterdir())]

    def left_by_dvc(self) -> int:
        """How many files in DVC's cache are none of its objects."""
        objects = self.folder / CACHE / "files/md5"
        return sum(
            path.is_file() and not OBJECT.fullmatch(path.relative_to(objects).as_posix()) for path in objects.rglob("*")
        )

    def keep(self) -> None:
        """Keep a copy, for `restore`."""
        shutil.rmtree(self._kept, ignore_errors=True)
        shutil.copytree(self.folder, self._kept, symlinks=True)

    def restore(self) -> None:
        """Put the kept copy here, after a trial that went wrong."""
        for folder in (self.folder, self.temporary):
            shutil.rmtree(folder)
        shutil.copytree(self._kept, self.folder, symlinks=True)
        self.temporary.mkdir()

    def _names(self) -> Iterator[str]:
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder)
            own = name.parts[0] == ".git" or name.parts[:2] in ((".dvc", "tmp"), (".dvc", "cache"))
            if path.is_file() and not own and "__pycache__" not in name.parts:
                yield name.as_posix()

    def _environment(self, mark: str) -> dict[str, str]:
        # without bytecode each stage would compile the package first
        dropped = ("DVC_", "GIT_", "PYTHONDONTWRITEBYTECODE")
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
        return inherited | {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": str(self.folder / "src"),
            "TMPDIR": str(self.temporary),
            "ROUNDOFF_LOCK_DIRECTORY": str(self._locks),
            MARK: mark,
        }


def _listed() -> Sequence[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return [name for name in names if (ROOT / name).is_file() and not name.startswith(("results/", "dvc.lock"))]
