"""The repository copied into a temporary folder, where DVC runs the real stages on the default data."""

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.quick import TIMING
from tests.support.once import once
from tests.support.places import ROOT

QUICK = (
    "train.epochs=2",
    "evaluate.batch_sizes=[1,4]",
    *TIMING,
)
OF_GROUP = {
    "model": ("model.width=8",),
    "backend": ("backends.onnxruntime.threads=1", "backends.litert.threads=1"),
}
CELLS = [(precision, backend) for precision in ("fp32", "fp16", "int8") for backend in ("onnxruntime", "litert")]


class Project:
    """A copy of the repository, in a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.env = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "GIT_"))},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(folder / "src"),
            "SHELL": "/bin/sh",  # Debian's does not replace itself by the command it runs, as bash does
        }

    @classmethod
    def made(cls, folder):
        """A copy of the repository, committed, with quick settings in params.yaml."""
        project = cls(folder)
        copy_tree(folder)
        for command in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "start")):
            project.git(*command)
        project.params()
        return project

    def git(self, *words):
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        subprocess.run(["git", *identity, *words], cwd=self.folder, check=True, capture_output=True)

    def params(self, *overrides):
        """Compose params.yaml anew with the quick settings and `overrides`."""
        chosen = {word.partition("=")[0] for word in overrides}
        quick = [*QUICK, *(each for group, settings in OF_GROUP.items() if group not in chosen for each in settings)]
        run = self.python("-m", "roundoff.pipeline.params", *quick, *overrides)
        assert run.returncode == 0, run.stderr

    def python(self, *words):
        return self._run([sys.executable, *words])

    def dvc(self, *words):
        return self._run([sys.executable, "-m", "dvc", *words])

    def mended(self):
        """What a kill left of DVC's own files is mended, as `make repro` does first."""
        run = self.python("-P", "-m", "roundoff.pipeline.mending")
        assert run.returncode == 0, run.stderr

    def repro(self, *words):
        """`dvc repro`; its standard output, after asserting success."""
        run = self.dvc("repro", *words)
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    def start(self, *words):
        """A `dvc` command in a process group of its own; what it says goes to `said`."""
        command = [sys.executable, "-m", "dvc", *words]
        with self.said.open("w") as said:
            return subprocess.Popen(
                command, cwd=self.folder, env=self.env, start_new_session=True, stdout=said, stderr=subprocess.STDOUT
            )

    @property
    def said(self):
        return self.folder.with_suffix(".txt")

    def clone(self, folder):
        """A git clone of what is committed, without any of the outputs that DVC keeps."""
        self.git("clone", "-q", ".", str(folder))
        return self.twin(folder)

    def twin(self, folder):
        """The project in a folder that is a clone already."""
        twin = copy.copy(self)
        twin.folder, twin.env = folder, self.env | {"PYTHONPATH": str(folder / "src")}
        return twin

    def changed(self):
        """What `git status` lists."""
        command = ["git", "status", "--porcelain"]
        return subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True).stdout

    def metrics(self, name):
        return json.loads((self.folder / "metrics" / f"{name}.json").read_text())

    def accuracies(self):
        return {cell: self.metrics(cell[0])[cell[1]]["accuracy"] for cell in CELLS}

    def _run(self, command):
        return subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True)


def copy_tree(target):
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("results/", "dvc.lock")):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)


@pytest.fixture(scope="session")
def make_project(tmp_path_factory):
    return lambda: Project.made(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def copy_finished(tmp_path_factory):
    """Makes a copy of a project whose pipeline has run to its end, which it does once for all processes."""

    def copied():
        run = once(tmp_path_factory, "finished", lambda folder: Project.made(folder).repro())
        return Project(Path(shutil.copytree(run, tmp_path_factory.mktemp("copy") / "project", symlinks=True)))

    return copied


@pytest.fixture(scope="session")
def finished(copy_finished):
    """A copy for all tests of a process, which leave it as it was."""
    return copy_finished()
