"""Clones of jobs that were killed go with the next job, at whatever moment that was; those that are in use stay."""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

import pytest

from roundoff.sweep import clone as clones
from roundoff.sweep.clone import ABANDONED_S, FOLDER, clone_of

real_flock = fcntl.flock


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project in whose clones nothing lies."""
    monkeypatch.setattr(clones, "_filled", lambda clone, changes: clone)
    (tmp_path / FOLDER).mkdir(parents=True)
    return tmp_path


@pytest.fixture
def meanwhile(monkeypatch):
    """`meanwhile(act)`: what another job does between the first opening of a lock's file and its locking."""

    def arranged(act):
        acts = [act]

        def flock(file, how):
            while acts:
                acts.pop()(file.name)
            real_flock(file, how)

        monkeypatch.setattr(fcntl, "flock", flock)

    return arranged


def names(project):
    return sorted(path.name for path in (project / FOLDER).iterdir())


def old(path, seconds=ABANDONED_S + 60):
    os.utime(path, (time.time() - seconds,) * 2)


def test_a_clone_is_locked_from_before_it_is_made_until_it_is_gone(project, monkeypatch):
    with clone_of(project, b"") as clone, clone.folder.with_suffix(".lock").open() as lock:
        assert clone.folder.stat().st_mode & 0o777 == 0o700
        with pytest.raises(BlockingIOError, match="temporarily unavailable"):
            real_flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        old(clone.folder)
        with clone_of(project, b"") as other:  # which looks for abandoned ones
            assert clone.folder.exists()
            assert other.folder != clone.folder
    assert names(project) == []


def test_a_job_that_was_killed_before_its_folder_was_made_leaves_nothing(project):
    (project / FOLDER / "killed.lock").touch()
    with clone_of(project, b""):
        assert "killed.lock" not in names(project)


def test_a_folder_that_has_had_no_lock_for_long_is_removed_and_a_new_one_is_not(project):
    for name in ("long", "new"):
        (project / FOLDER / name / "inside").mkdir(parents=True)
    old(project / FOLDER / "long")
    with clone_of(project, b""):
        pass
    assert names(project) == ["new"]


def test_a_job_whose_new_lock_was_taken_for_abandoned_takes_another(project, meanwhile):
    removed = []

    def remove(lock):
        Path(lock).unlink()
        removed.append(lock)

    meanwhile(remove)
    with clone_of(project, b"") as clone:
        lock = clone.folder.with_suffix(".lock")
        assert removed
        assert removed != [str(lock)]
        assert lock.exists()
    assert names(project) == []


def test_a_lock_that_is_anothers_by_now_is_left_to_it(project, meanwhile):
    lock = project / FOLDER / "again.lock"
    lock.touch()
    lock.with_suffix("").mkdir()

    def replace(path):
        Path(path).unlink()
        lock.touch()

    meanwhile(replace)
    with suppress(OSError):
        clones._remove_abandoned(project / FOLDER)
    assert names(project) == ["again", "again.lock"]
