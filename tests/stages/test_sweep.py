"""stages/sweep.py on the real pipeline: the second experiment has most of the first in DVC's cache."""

import re
import subprocess

import pytest

from tests.stages.conftest import OF_GROUP, QUICK

pytestmark = pytest.mark.slow
SETTINGS = (*QUICK, *OF_GROUP["model"], "backend=[onnxruntime]", "backends.onnxruntime.threads=1")


@pytest.fixture(scope="module")
def project(make_project):
    return make_project()


def test_a_sweep_makes_an_experiment_of_each_setting(project):
    run = project.python("stages/sweep.py", "-m", *SETTINGS, "report.language=en,ja", "sweep.cell=int8/onnxruntime")
    assert run.returncode == 0, run.stdout + run.stderr
    assert len(re.findall(r": ships \S+; speedup [\d.]+", run.stdout)) == 2
    listed = subprocess.run(
        ["git", "for-each-ref", "--format=%(refname:lstrip=4)", "refs/exps"],
        cwd=project.folder,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert len(listed) == 2
    assert not list((project.folder / ".dvc/tmp/sweep").iterdir())


def test_a_setting_that_cannot_be_stops_before_any_experiment(project):
    run = project.python("stages/sweep.py", "-m", "train.epochs=three")
    assert run.returncode == 1
    assert "train.epochs" in run.stderr
    assert "Traceback" not in run.stderr
