"""The lock on git's index that a killed DVC left is removed, and no other program's."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from types import SimpleNamespace

import psutil
import pytest

from roundoff.pipeline.mending import mend
from tests.support.present import present
from tests.support.repository import git


@pytest.fixture
def project(tmp_path):
    """A project below the top of a repository, in which DVC has not been yet."""
    project = tmp_path / "repository/inner"
    (project / ".dvc/tmp").mkdir(parents=True)
    (project / "train.py").touch()
    git(project.parent, "init", "-q")
    return project


@pytest.fixture
def dvc_lock(project):
    """DVC's lock, with the number of a process that has ended, as zc.lockfile writes it."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    lock = project / ".dvc/tmp/lock"
    lock.write_text(f" {ended.pid}\n")
    return lock


@pytest.fixture
def index_lock(project, dvc_lock):
    lock = project.parent / ".git/index.lock"
    lock.touch()
    return lock


def stays(project, index_lock):
    return mend(project) == [] and index_lock.exists()


def mended(project):
    """What mending says, as soon as no process is just ending: a DVC that was killed, or a neighbouring test's git."""
    deadline = time.monotonic() + 10
    while not (said := mend(project)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return said


@contextmanager
def waiting(command, folder, **options):
    """A program that waits for somebody."""
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_one_that_a_killed_dvc_left_is_removed(project, index_lock):
    (said,) = mended(project)
    assert "index.lock was left by a DVC that was killed" in said
    assert not index_lock.exists()
    assert mend(project) == []
    git(project, "add", "train.py")


@pytest.mark.parametrize("is_waited_for", [True, False])
def test_one_of_a_dvc_that_is_killed_while_it_holds_both_locks_is_removed(project, is_waited_for):
    (project / ".dvc/tmp/lock").write_text(" 1\n")  # an earlier one's
    code = (
        "import time; from zc.lockfile import LockFile\n"
        "held = LockFile('.dvc/tmp/lock'); open('../.git/index.lock', 'x'); print('ready', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=project, stdout=subprocess.PIPE) as dvc:
        assert present(dvc.stdout).readline() == b"ready\n"
        assert stays(project, project.parent / ".git/index.lock")  # while it is at work
        dvc.kill()
        if is_waited_for:
            dvc.wait()
        else:
            present(dvc.stdout).read()  # its end, as of a zombie
        assert len(mended(project)) == 1
    assert not (project.parent / ".git/index.lock").exists()


def test_it_stays_without_a_trace_of_dvc(project, dvc_lock, index_lock):
    dvc_lock.unlink()
    assert stays(project, index_lock)


@pytest.mark.parametrize(
    "said", [f" {os.getpid()}\n", "", " 0\n", " -5\n", "/project/.dvc/tmp/5e1f.lock\n", "9" * 40], ids=range(6)
)
def test_it_stays_where_the_last_dvc_runs_or_is_not_known(project, dvc_lock, index_lock, said):
    before = dvc_lock.stat()
    dvc_lock.write_text(said)
    os.utime(dvc_lock, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert stays(project, index_lock)


def test_it_stays_where_the_last_dvc_came_later(project, dvc_lock, index_lock):
    later = index_lock.stat().st_mtime + 5
    os.utime(dvc_lock, (later, later))
    assert stays(project, index_lock)


@pytest.mark.parametrize("where", [".", ".."])
def test_it_stays_while_a_git_waits_for_somebody(project, index_lock, where):
    with waiting(["git", "hash-object", "--stdin"], project / where, stdin=subprocess.PIPE):
        assert stays(project, index_lock)


def test_it_stays_while_any_program_has_it_open(project, index_lock, tmp_path):
    with index_lock.open() as file, waiting(["sleep", "60"], tmp_path, stdin=file):
        file.close()
        assert stays(project, index_lock)
    assert len(mended(project)) == 1


def processes(monkeypatch, **info):
    """One process alone is seen."""
    known = {"name": None, "cwd": None, "status": psutil.STATUS_SLEEPING, "open_files": None}
    one = SimpleNamespace(info=known | info)
    monkeypatch.setattr(psutil, "process_iter", lambda asked: [one])


def test_it_stays_while_a_git_runs_nobody_knows_where(project, index_lock, monkeypatch):
    processes(monkeypatch, name="git-remote-https")
    assert stays(project, index_lock)


@pytest.mark.parametrize(
    "info",
    [
        {"name": "git", "status": psutil.STATUS_ZOMBIE},
        {"name": "git", "cwd": "/elsewhere"},
        {"name": "bash"},
        {"name": "editor", "open_files": [SimpleNamespace(path="/elsewhere/.git/index.lock")]},
    ],
)
def test_other_programs_do_not_keep_it(project, index_lock, monkeypatch, info):
    processes(monkeypatch, **info)
    assert len(mended(project)) == 1


def test_a_folder_in_its_place_stays(project, index_lock):
    index_lock.unlink()
    index_lock.mkdir()
    assert stays(project, index_lock)
