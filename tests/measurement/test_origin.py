"""When, and from which sources, a run was measured."""

import re

import pytest

from roundoff.measurement.origin import origin_of
from tests.support.repository import git


@pytest.fixture
def project(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.py").write_text("a = 1\n")
    (tmp_path / "metrics.json").write_text("{}")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_the_commit_and_the_day_are_told(project):
    found = origin_of(project)
    assert found.commit == git(project, "rev-parse", "HEAD").strip()
    assert found.changed is False
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", found.date or "")


@pytest.mark.parametrize(("name", "changed"), [("src/a.py", True), ("metrics.json", False)])
def test_sources_that_differ_are_told_and_outputs_are_not(project, name, changed):
    (project / name).write_text("other")
    assert origin_of(project).changed is changed


def test_without_git_nothing_is_told_of_the_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert (origin_of(tmp_path).commit, origin_of(tmp_path).changed) == (None, None)
    monkeypatch.setenv("PATH", "")
    assert origin_of(tmp_path).commit is None
