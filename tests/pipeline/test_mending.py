"""DVC's files, cut off by a kill, are mended so that DVC takes them; whole ones, and those in use, stay as they are."""

import fcntl
import json
import subprocess

import pytest
import yaml
from dvc.schema import COMPILED_LOCKFILE_SCHEMA

from roundoff.pipeline.mending import mend
from tests.support.places import ROOT
from tests.support.repository import git as repository

LOCK = (ROOT / "dvc.lock").read_text()
STAGES = yaml.safe_load(LOCK)["stages"]


@pytest.fixture
def project(tmp_path):
    temporary = tmp_path / ".dvc" / "tmp"
    temporary.mkdir(parents=True)
    for name in ("lock", "rwlock.lock"):
        (temporary / name).write_text(" 12345\n")
    (temporary / "rwlock").write_text('{"read": {}, "write": {"/a": {"pid": 12345, "cmd": "dvc repro"}}}')
    (tmp_path / "dvc.lock").write_text(LOCK)
    return tmp_path


def test_what_is_whole_stays(project):
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    assert mend(project) == []
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("text", ["", '{"read": {}, "wri', "[]"])
def test_a_cut_rwlock_is_removed(project, text):
    (project / ".dvc/tmp/rwlock").write_text(text)
    (said,) = mend(project)
    assert ".dvc/tmp/rwlock was half written" in said
    assert not (project / ".dvc/tmp/rwlock").exists()


@pytest.mark.parametrize("held", ["lock", "rwlock.lock"])
def test_nothing_is_touched_while_a_dvc_is_at_work(project, held):
    (project / ".dvc/tmp/rwlock").write_text("")
    with (project / ".dvc/tmp" / held).open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert mend(project) == []
    assert (project / ".dvc/tmp/rwlock").read_text() == ""
    assert mend(project) != []


@pytest.mark.parametrize("line", range(1, LOCK.count("\n"), 149))
def test_of_a_cut_lock_file_whole_stages_stay(project, line):
    cut = "".join(LOCK.splitlines(keepends=True)[:line])[:-1]
    (project / "dvc.lock").write_text(cut)
    assert len(mend(project)) == 1
    kept = {}
    if (project / "dvc.lock").exists():
        kept = COMPILED_LOCKFILE_SCHEMA(yaml.safe_load((project / "dvc.lock").read_text()))["stages"]
    begun = [name for name in STAGES if f"\n  {name}:" in cut]
    assert kept == {name: STAGES[name] for name in begun[:-1]}


@pytest.mark.slow
def test_a_lock_file_cut_at_the_end_of_a_line_is_one_that_dvc_takes(project):
    lines = LOCK.splitlines(keepends=True)
    for count in range(len(lines) + 1):
        text = "".join(lines[:count])
        (project / "dvc.lock").write_text(text)
        mend(project)
        if count % 10 == 0 or lines[count - 1].rstrip().endswith(":"):
            left = project / "dvc.lock"
            assert not left.exists() or COMPILED_LOCKFILE_SCHEMA(yaml.safe_load(left.read_text()))


@pytest.fixture
def index_lock(project):
    repository(project, "init", "-q")
    (project / ".git" / "index.lock").touch()
    return project / ".git" / "index.lock"


def test_a_lock_on_gits_index_that_nobody_holds_is_removed(project, index_lock):
    (said,) = mend(project)
    assert "index.lock was left by a DVC that was killed" in said
    assert not index_lock.exists()
    repository(project, "add", "dvc.lock")


def test_a_lock_on_gits_index_stays_while_a_git_waits_for_somebody(project, index_lock):
    waiting = subprocess.Popen(["git", "hash-object", "--stdin"], cwd=project, stdin=subprocess.PIPE)
    try:
        assert mend(project) == []
        assert index_lock.exists()
    finally:
        waiting.communicate()


def test_without_dvc_there_is_nothing_to_mend(tmp_path):
    assert mend(tmp_path) == []


def test_json_of_dvc_itself_is_whole(project):
    (project / ".dvc/tmp/rwlock").write_text(json.dumps({}))
    assert mend(project) == []
