"""The commands of dvc.yaml: what a shell makes of them."""

import os
import subprocess
import sys

import pytest
import yaml

from tests.support.places import ROOT

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
COMMANDS = {name: stage.get("do", stage)["cmd"].replace("\\$", "$") for name, stage in STAGES.items()}
SAYS = "import os, sys; print(os.getpid(), *sys.path[1:])"


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize(("others", "then"), [(None, []), ("", []), ("/plug/ins", ["/plug/ins"])])
def test_a_stage_takes_the_shells_place_and_imports_nothing_of_the_root(name, others, then):
    before, python, _ = COMMANDS[name].partition("python ")
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    env |= {} if others is None else {"PYTHONPATH": others}
    command = ["/bin/sh", "-c", f"{before}{sys.executable} -c '{SAYS}'"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env, cwd=ROOT) as shell:
        said, _ = shell.communicate()
    pid, *path = said.split()
    assert python
    assert int(pid) == shell.pid  # a signal to the shell reaches the stage, and its exit code is the stage's
    assert path[: 1 + len(then)] == [str(ROOT / "src"), *then]
    assert str(ROOT) not in path
