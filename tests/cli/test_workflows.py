"""The workflows in docs/gate.md: their commands, run in a project whose pipeline has run."""

import os
import re
import subprocess
import sys

import pytest
import yaml

from tests.support.places import ROOT
from tests.support.repository import commit, git

WORKFLOWS = [
    yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/gate.md").read_text(), re.S)
]
MOST_LINES = 12


def commands(workflow):
    """What GitHub's steps or GitLab's script run, in order."""
    if "jobs" in workflow:
        return [step["run"] for step in workflow["jobs"]["precision"]["steps"] if "run" in step]
    return workflow["precision"]["script"]


@pytest.fixture
def cloned(judged, tmp_path):
    """A clone on a branch of its own, whose `make repro` has been run; `cml` shows the file that it is given."""
    for name, line in {"make": 'test "$*" = repro', "cml": 'test "$1 $2" = "comment create" && cat "$3"'}.items():
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{line}\n")
        program.chmod(0o755)
    clone = tmp_path / "clone"
    git(judged, "clone", "-q", str(judged), str(clone))
    git(clone, "switch", "-q", "-c", "change")
    commit(clone)
    roundoff = clone / ".venv/bin/roundoff"
    roundoff.parent.mkdir(parents=True)
    roundoff.write_text(f'#!/bin/sh\nexec {sys.executable} -m roundoff.cli "$@"\n')
    roundoff.chmod(0o755)
    return clone


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=["github", "gitlab"])
def test_the_commands_of_a_workflow_run(cloned, workflow):
    source = os.pathsep.join([str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
    path = f"{cloned.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | {"PATH": path, "PYTHONPATH": source}
    for command in commands(workflow):
        done = subprocess.run(command, shell=True, cwd=cloned, env=env, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    assert "Pass: int8/ort" in (cloned / "check.md").read_text()


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=["github", "gitlab"])
def test_a_workflow_is_short_and_keeps_what_it_shows(workflow):
    text = yaml.safe_dump(workflow)
    assert "check.md" in text
    [block] = [
        block
        for block in re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/gate.md").read_text(), re.S)
        if yaml.safe_load(block) == workflow
    ]
    assert len(block.splitlines()) <= MOST_LINES
