"""stages/sweep.py by Hydra's launchers and sweepers, each as it is started from a shell."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.repository import git

pytestmark = pytest.mark.slow
JUDGED = ("sweep.cell=int8/ort",)
PARTITION = ("hydra.launcher.partition=all", "hydra.launcher.mem_gb=1", "hydra.launcher.cpus_per_task=1")


@pytest.fixture
def project(small, tmp_path):
    return shutil.copytree(small, tmp_path / "project", symlinks=True)


def sweep(project, *words):
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "GIT_"))} | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(project / "src"),
    }
    command = [sys.executable, "stages/sweep.py", "-m", *JUDGED, *words]
    run = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def experiments(project):
    listed = git(project, "for-each-ref", "--format=%(refname:lstrip=4)", "refs/exps").split()
    return sorted(name.rpartition("_")[0] for name in listed)


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        ("hydra_plugins.hydra_joblib_launcher", ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")),
        ("hydra_plugins.hydra_submitit_launcher", ("hydra/launcher=submitit_local",)),
    ],
)
def test_each_launcher_makes_an_experiment_of_each_setting(project, plugin, words):
    if find_spec(plugin) is None:
        pytest.skip(f"{plugin} is not installed")
    sweep(project, *words, "train.epochs=1,2")
    assert experiments(project) == ["epochs-1", "epochs-2"]
    assert list((project / ".dvc/tmp/sweep").iterdir()) == []


def test_a_slurm_array_makes_an_experiment_of_each_setting(project, slurm):
    if find_spec("hydra_plugins.hydra_submitit_launcher") is None:
        pytest.skip("hydra-submitit-launcher is not installed")
    sweep(project, "hydra/launcher=submitit_slurm", *PARTITION, "train.epochs=1,2")
    assert experiments(project) == ["epochs-1", "epochs-2"]


def test_optuna_searches_by_two_objectives(project):
    if find_spec("hydra_plugins.hydra_optuna_sweeper") is None:
        pytest.skip("hydra-optuna-sweeper is not installed")
    said = sweep(
        project,
        "hydra/sweeper=optuna",
        "hydra.sweeper.n_trials=2",
        "hydra.sweeper.direction=[maximize,maximize]",
        "sweep.objectives=[relative_accuracy,speedup]",
        "train.epochs=choice(1,2)",
    )
    assert "Number of Pareto solutions" in said
    assert set(experiments(project)) <= {"epochs-1", "epochs-2"}
