"""Stages where a language, a path, a folder, a home, a mask or git are not as usual."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stages.conftest import OF_GROUP, QUICK, copy_tree
from tests.support.places import ROOT

NO_LANGUAGE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
SETTINGS = (*QUICK, *OF_GROUP["model"], "backend=[onnxruntime]", "backends.onnxruntime.threads=1")


def environment(folder, *without, **more):
    kept = {key: value for key, value in os.environ.items() if key not in without}
    path = f"{Path(sys.executable).parent}:{kept['PATH']}"
    # git looks no higher than the copy, wherever temporary folders lie
    return (
        kept | {"PATH": path, "PYTHONPATH": str(folder / "src"), "GIT_CEILING_DIRECTORIES": str(folder.parent)} | more
    )


def ran(folder, *words, env=None, umask=-1):
    return subprocess.run(
        [sys.executable, "-P", *words],
        cwd=folder,
        env=env or environment(folder),
        umask=umask,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


@pytest.fixture
def archive(tmp_path):
    """The sources, as an archive of them has them: without git."""
    folder = tmp_path / "見本 of roundoff's"
    folder.mkdir()
    copy_tree(folder)
    return folder


@pytest.mark.slow  # a stage
@pytest.mark.parametrize(
    "env", [{}, NO_LANGUAGE, {"LC_ALL": "C.UTF-8"}, {"LC_ALL": "ja_JP.SJIS"}], ids=["none", "C", "C.UTF-8", "unknown"]
)
def test_a_stage_runs_in_any_language(archive, env):
    run = ran(archive, "stages/probe.py", "-cn", "frozen", env=environment(archive, "LANG", "LC_ALL", **env))
    assert (run.returncode, run.stderr) == (0, "")
    refused = ran(archive, "stages/probe.py", "train.epoch=見本", env=environment(archive, "LANG", "LC_ALL", **env))
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: ")
    assert "Traceback" not in refused.stderr


def test_a_stage_elsewhere_says_where_to_go(tmp_path):
    run = ran(tmp_path, str(ROOT / "stages/prepare.py"), "-cn", "frozen", env=environment(ROOT))
    assert run.returncode == 1
    assert f"params.yaml is not here\n  received: no such file in {tmp_path}" in run.stderr
    assert "go to the checkout and run it there" in run.stderr


def test_make_repro_without_git_says_what_to_do(archive):
    made = subprocess.run(
        ["make", "repro"], cwd=archive, env=environment(archive, "MAKEFLAGS"), capture_output=True, text=True
    )
    assert made.returncode == 2
    assert made.stderr.startswith("error: DVC works in a git repository alone")
    assert "roundoff run" in made.stderr
    assert not (archive / ".venv").exists()  # before minutes of setting up


@pytest.mark.slow  # the whole pipeline
def test_all_of_it_at_once_the_whole_pipeline_runs(archive):
    """No git, no home, no language, a mask that lets nobody else in, and a path with spaces, quotes and kanji."""
    env = environment(archive, "HOME", "LANG", "XDG_CACHE_HOME", **NO_LANGUAGE)
    run = ran(archive, "-m", "roundoff.cli", "run", *SETTINGS, env=env, umask=0o077)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr
    for name in ("verdict.json", "report.md", "report.html"):
        written = archive / "metrics" / name
        assert written.stat().st_size > 1000
        assert stat.S_IMODE(written.stat().st_mode) == 0o600
