"""Small projects in git with a run."""

import pytest

from roundoff.results.metrics import write_metrics, write_verdict
from roundoff.verdict.decide import decide
from roundoff.verdict.requirements import Target
from tests.support.diffed import commit_figures
from tests.support.measured import SAMPLES, UNAVAILABLE, cell, metrics
from tests.support.repository import commit, git


def write_run(project, platform="one", target=None, **int8):
    """Metrics and verdict of fp32, int8 and a cell that cannot run; `int8` is as `support.measured.cell` takes it."""
    small = cell(**{"ms": 1.0, "speedup": 2.0, "size": 0.3} | int8)
    wide = cell(ms=2.0, samples=int8.get("samples", SAMPLES))
    found = metrics(platform=platform, fp32__rtx=UNAVAILABLE, fp32__ort=wide, int8__ort=small)
    write_metrics(found, project / "metrics")
    write_verdict(decide(found, Target(**(target or {}))), project / "metrics")


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """The project, committed as main; the current folder."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    project = tmp_path / "project"
    project.mkdir()
    git(project, "init", "-q", "-b", "main", ".")
    write_run(project)
    commit(project)
    monkeypatch.chdir(project)
    return project


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project below its repository's root, with one run; the current folder."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "repository/inner"
    path.mkdir(parents=True)
    git(path.parent, "init", "-q", ".")
    commit_figures(path)
    monkeypatch.chdir(path)
    return path
