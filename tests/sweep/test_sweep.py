"""Experiments of a small DVC project, whose one stage copies metrics that are there already."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from roundoff.errors import ConfigError, RoundoffError
from roundoff.results.metrics import write_metrics, write_verdict
from roundoff.revisions.revision import snapshot
from roundoff.sweep.clone import FOLDER, changes_of, clone_of
from roundoff.sweep.sweep import Sweep
from roundoff.system.processes import has_ended
from roundoff.verdict.decide import decide
from roundoff.verdict.requirements import Target
from tests.support.measured import batch, cell, metrics
from tests.support.present import present
from tests.support.repository import commit, git

PIPELINE = f"""stages:
  measure:
    cmd: {sys.executable} take.py
    deps: [take.py]
    params: [threads]
    outs: [metrics: {{cache: false}}]
"""
COPY = """import shutil, sys, yaml
threads = yaml.safe_load(open("params.yaml"))["threads"]
if threads == 3:
    sys.exit("no engine for three")
shutil.copytree(f"measured/{threads}", "metrics", dirs_exist_ok=True)
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    project = tmp_path_factory.mktemp("sweep") / "project"
    project.mkdir()
    git(project, "init", "-q", "-b", "main")
    for key, value in {"user.name": "n", "user.email": "e@example.org"}.items():
        git(project, "config", key, value)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=project, check=True)
    (project / "dvc.yaml").write_text(PIPELINE)
    (project / "take.py").write_text(COPY)
    (project / "params.yaml").write_text("threads: 1\n")
    for threads in (1, 2):
        fast = batch(ms=1 / threads, speedup=1.0 * threads, end_to_end_speedup=1.0 * threads)
        found = metrics(fp32__ort=cell(), int8__ort=cell(batches={1: fast}))
        folder = project / f"measured/{threads}"
        folder.mkdir(parents=True)
        write_metrics(found, folder)
        write_verdict(decide(found, Target(batch_size=1)), folder)
    commit(project)
    return project


@pytest.fixture
def project(template, tmp_path):
    return shutil.copytree(template, tmp_path / "project", symlinks=True)


def names(project):
    return git(project, "for-each-ref", "--format=%(refname:lstrip=4)", "refs/exps").split()


def run(project, *settings, **judged):
    return Sweep(**judged).run(project, "metrics", settings, project.parent / "logs/experiment.log")


@pytest.mark.slow
def test_an_experiment_is_made_beside_the_workspace_and_goes_on_where_it_is(project, capsys):
    judged = {"objectives": ["speedup", "relative_accuracy"], "cell": "int8/ort"}
    assert run(project, "threads=2", **judged) == (2.0, 1.0)
    (name,) = names(project)
    assert name.startswith("threads-2_")
    assert f"{name}: ships int8/ort; speedup 2" in capsys.readouterr().out
    assert snapshot(project, "metrics", name).cells["int8/ort"].batches[1].end_to_end_speedup == 2.0
    assert list((project / FOLDER).iterdir()) == []
    assert git(project, "status", "--porcelain") == ""
    assert not (project / "metrics").exists()
    before = git(project, "for-each-ref", "refs/exps")

    assert run(project, "threads=2", cell="int8/ort") == 2.0
    assert "there already" in capsys.readouterr().out
    assert git(project, "for-each-ref", "refs/exps") == before


@pytest.mark.slow
def test_changes_of_tracked_files_are_in_the_experiment(project, capsys):
    pipeline = project / "take.py"
    pipeline.write_text(pipeline.read_text().replace("measured/{threads}", "measured/2"))
    (project / "new.py").write_text("")
    assert run(project, "threads=1", cell="int8/ort") == 2.0  # the change is what made it 2
    assert "warning: git does not track new.py" in capsys.readouterr().out
    pipeline.write_text(COPY)
    assert run(project, "threads=1", cell="int8/ort") == 1.0  # other sources: another experiment
    assert len(names(project)) == 2


@pytest.mark.slow
def test_a_failed_experiment_says_its_last_lines_and_leaves_nothing(project):
    with pytest.raises(RoundoffError, match=r"(?s)experiment threads-3_.* failed.*no engine for three"):
        run(project, "threads=3")
    assert names(project) == []
    assert list((project / FOLDER).iterdir()) == []


@pytest.mark.slow
def test_what_a_killed_job_left_is_removed_and_what_another_has_is_not(project):
    places = project / FOLDER
    for name in ("killed", "held"):
        (places / name).mkdir(parents=True)
        (places / f"{name}.lock").touch()
    with (places / "held.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with clone_of(project, b"") as clone:
            assert not (places / "killed").exists()
            assert (places / "held").exists()
            assert (clone.folder / "dvc.yaml").exists()
    assert sorted(path.name for path in places.iterdir()) == ["held", "held.lock"]


@pytest.mark.slow
def test_a_clone_goes_where_its_job_is_stopped(project):
    code = (
        "import time; from pathlib import Path; from roundoff.sweep.clone import clone_of\n"
        "from roundoff.system.stopping import heed_signals; heed_signals()\n"
        f"with clone_of(Path({str(project)!r}), b''): print('ready', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as job:
        assert present(job.stdout).readline() == b"ready\n"
        os.kill(job.pid, signal.SIGTERM)
        assert job.wait(20) == 128 + signal.SIGTERM
    assert list((project / FOLDER).iterdir()) == []


def test_what_a_killed_job_runs_in_its_clone_ends_with_it(tmp_path):
    interpreter, log = tmp_path / "python", tmp_path / "log"
    interpreter.write_text("#!/bin/sh\necho $$\nexec sleep 60\n")
    interpreter.chmod(0o755)
    code = (
        "import sys; from pathlib import Path; from roundoff.sweep.clone import Clone\n"
        f"sys.executable, here = {str(interpreter)!r}, Path({str(tmp_path)!r})\n"
        "Clone(here, here).dvc(['exp', 'run'], here / 'log')"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as job:
        assert becomes(lambda: log.exists() and log.read_text().endswith("\n"))
        started = int(log.read_text())
        assert started != job.pid
        assert not has_ended(started, time.time())
        job.kill()
    assert becomes(lambda: has_ended(started, time.time()))


def becomes(true, within_s=30.0):
    """Whether a condition comes true in that time."""
    end = time.monotonic() + within_s
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.slow
def test_the_cache_and_credentials_are_shared_and_nothing_is_committed(project):
    (project / ".dvc/config.local").write_text(
        "['remote \"mine\"']\n    url = ssh://host/place\n    password = secret\n"
    )
    with clone_of(project, b"") as clone:
        local = (clone.folder / ".dvc/config.local").read_text()
        assert f"dir = {project.resolve()}/.dvc/cache" in local
        assert "password = secret" in local
        assert git(clone.folder, "status", "--porcelain") == ""


@pytest.mark.slow
def test_a_change_that_is_binary_or_staged_is_a_change(project):
    (project / "weights.bin").write_bytes(bytes(range(256)))
    git(project, "add", "weights.bin")
    with clone_of(project, changes_of(project)) as clone:
        assert (clone.folder / "weights.bin").read_bytes() == bytes(range(256))


def test_without_git_or_a_commit_it_is_refused(tmp_path):
    with pytest.raises(RoundoffError, match="a sweep needs a git repository with a commit"):
        run(tmp_path, "threads=2")


@pytest.mark.parametrize("objectives", [[], ["speed"], ["speedup", "f1"]])
def test_objectives_are_known_figures(objectives):
    with pytest.raises(ConfigError, match=r"sweep\.objectives is out of range"):
        Sweep(objectives=objectives)
