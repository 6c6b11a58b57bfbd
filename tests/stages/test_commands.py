"""The commands of dvc.yaml: what a shell makes of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.stages.conftest import copy_tree
from tests.support.places import ROOT

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
COMMANDS = {name: stage.get("do", stage)["cmd"].replace("\\$", "$") for name, stage in STAGES.items()}
SAYS = "import os, sys; print(os.getpid(), *sys.path)"


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize(("others", "then"), [(None, []), ("", []), ("/plug/ins", ["/plug/ins"])])
def test_a_stage_takes_the_shells_place_and_imports_nothing_of_the_root(name, others, then):
    before, python, after = COMMANDS[name].partition("python -P -X utf8 ")
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    env |= {} if others is None else {"PYTHONPATH": others}
    command = ["/bin/sh", "-c", f"{before}{sys.executable} -P -X utf8 -c '{SAYS}'"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env, cwd=ROOT) as shell:
        said, _ = shell.communicate()
    pid, *path = said.split()
    assert python
    assert after.startswith("stages/")
    assert int(pid) == shell.pid  # a signal to the shell reaches the stage, and its exit code is the stage's
    assert path[: 1 + len(then)] == [str(ROOT / "src"), *then]
    assert str(ROOT) not in path


@pytest.mark.slow  # two stages
@pytest.mark.parametrize("start", [COMMANDS["probe"], "python -P -m roundoff.cli run probe"], ids=["dvc", "roundoff"])
def test_modules_beside_the_project_and_beside_the_stages_are_not_imported(tmp_path, start):
    copy_tree(tmp_path)
    for folder in (tmp_path, tmp_path / "stages"):
        for name in ("numpy", "omegaconf", "yaml", "signal", "roundoff"):
            (folder / f"{name}.py").write_text("raise SystemExit(f'imported: {__file__}')")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = os.environ | {"PATH": path, "PYTHONPATH": str(tmp_path / "src")}
    run = subprocess.run(["/bin/sh", "-c", start], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
