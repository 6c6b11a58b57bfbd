"""A run packed for strangers: what is refused; tests/stages/test_pipeline.py takes one apart again."""

import shutil
import subprocess
import sys

import pytest

from roundoff.errors import ConfigError, DataError
from roundoff.revisions.release import release
from tests.support.repository import commit, git


def dvc(project, *words):
    subprocess.run([sys.executable, "-m", "dvc", *words], cwd=project, check=True, capture_output=True)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with one output that DVC keeps, committed."""
    project = tmp_path_factory.mktemp("release") / "project"
    project.mkdir()
    git(project, "init", "-q", "-b", "main", ".")
    dvc(project, "init", "-q")
    (project / "dvc.yaml").write_text("stages: {make: {cmd: echo made > model.txt, outs: [model.txt]}}\n")
    dvc(project, "repro", "-q")
    commit(project)
    return project


@pytest.fixture
def plain(tmp_path):
    """A project in git alone, which is all that is looked at before DVC is."""
    project = tmp_path / "plain"
    project.mkdir()
    git(project, "init", "-q", "-b", "main", ".")
    (project / "dvc.yaml").write_text("stages: {}\n")
    commit(project)
    return project


@pytest.mark.slow  # DVC's commands take a second or two each
def test_a_release_is_a_bundle_a_remote_and_the_commands(project, tmp_path):
    folder = release(project, tmp_path / "release")
    assert {path.name for path in folder.iterdir()} == {"README.md", "roundoff.bundle", "remote"}
    (kept,) = (path for path in folder.glob("remote/files/md5/*/*"))
    assert kept.read_text() == "made\n"
    git(tmp_path, "clone", "-q", "-b", "release", str(folder / "roundoff.bundle"), "clone")
    assert git(tmp_path / "clone", "rev-parse", "HEAD") == git(project, "rev-parse", "HEAD")
    text = (folder / "README.md").read_text()
    assert "git clone -b release roundoff.bundle roundoff" in text
    assert not list(tmp_path.glob(".partial*"))


@pytest.mark.slow  # as above
def test_a_kept_run_is_where_dvc_and_the_stages_look_for_it(project, tmp_path):
    project = shutil.copytree(project, tmp_path / "project")
    kept = project / "results/gpu/run"
    kept.mkdir(parents=True)
    shutil.copy(project / "dvc.lock", kept / "dvc.lock")
    for name in ("params.yaml", "platform.json", "summary.json"):
        (kept / name).write_text(f"kept: {name}\n")
    (project / "dvc.lock").write_text("schema: '2.0'\n")  # another run has been there since
    commit(project)
    folder = release(project, tmp_path / "release", "gpu/run")
    git(tmp_path, "clone", "-q", "-b", "release", str(folder / "roundoff.bundle"), "clone")
    assert (tmp_path / "clone/metrics/summary.json").read_text() == "kept: summary.json\n"
    assert (tmp_path / "clone/params.yaml").read_text() == "kept: params.yaml\n"
    assert [path.read_text() for path in folder.glob("remote/files/md5/*/*")] == ["made\n"]
    assert "# The run results/gpu/run" in (folder / "README.md").read_text()
    with pytest.raises(DataError, match=r"does not hold the whole run\n  received: missing: model.txt"):
        release(project, tmp_path / "other")  # the lock of today's run lists no output


@pytest.mark.slow  # as above
def test_a_run_that_the_cache_lacks_is_refused_and_named(project, tmp_path):
    (cached,) = project.glob(".dvc/cache/files/md5/*/*")
    content = cached.read_bytes()
    cached.unlink()
    try:
        with pytest.raises(DataError, match=r"does not hold the whole run\n  received: missing: model.txt"):
            release(project, tmp_path / "release")
    finally:
        cached.write_bytes(content)
    assert list(tmp_path.iterdir()) == []


def test_changes_that_are_not_committed_are_refused(plain, tmp_path):
    (plain / "dvc.yaml").write_text("stages: {} # changed\n")
    with pytest.raises(DataError, match=r"not committed\n  received: dvc.yaml"):
        release(plain, tmp_path / "release")


def test_a_run_that_was_not_kept_is_refused(plain, tmp_path):
    with pytest.raises(DataError, match="no such run was kept\n  received: RUN=gpu/none"):
        release(plain, tmp_path / "release", "gpu/none")


def test_a_folder_of_something_else_is_not_replaced(plain, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/notes.txt").write_text("kept")
    with pytest.raises(ConfigError, match=r"is not replaced(.|\n)*notes.txt"):
        release(plain, tmp_path / "other")
