"""Several experiments at once, each in a copy of its own, as docs/measuring.md has it."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow  # runs a stage in four experiments


def test_four_experiments_at_once_all_end_well(make_project):
    project = make_project()
    project.git("add", "-A")
    project.git("commit", "-qm", "quick")
    running = []
    for size in (8, 12, 16, 20):
        words = ("--wait-for-lock", "exp", "run", "--temp", "--name", f"size-{size}", "-S", f"dataset.size={size}")
        command = [sys.executable, "-m", "dvc", *words, "prepare"]
        running.append(
            subprocess.Popen(
                command,
                cwd=project.folder,
                env=project.env,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    said = [each.communicate(timeout=600)[0] for each in running]
    assert [each.returncode for each in running] == [0] * 4, "\n".join(said)
    listed = project.dvc("exp", "list", "--name-only").stdout.split()
    assert set(listed) == {f"size-{size}" for size in (8, 12, 16, 20)}
    assert project.changed() == ""
