"""Two experiments at a time from DVC's queue, as docs/how_to/sweep.md has it."""

import json
import time

import pytest

from tests.stages.hollow import Hollow


@pytest.mark.slow  # two pipelines, though hollow ones
def test_two_workers_run_what_is_queued(tmp_path):
    project = Hollow(tmp_path / "project")
    for name, epochs in (("three", 3), ("four", 4)):
        run = project.dvc("exp", "run", "-q", "--queue", "-n", name, "-S", f"train.epochs={epochs}")
        assert run.returncode == 0, run.stdout + run.stderr
    try:
        assert "Started '2'" in project.dvc("queue", "start", "-j", "2").stdout
        states = settled(project)
    finally:
        project.dvc("queue", "stop", "--kill")
    assert states == {"three": "Success", "four": "Success"}
    assert found_epochs(project) == {"three": 3, "four": 4}


def settled(project):
    """State by experiment, once none waits or runs."""
    deadline = time.monotonic() + 300
    while True:
        listed = project.dvc("queue", "status").stdout
        states = {line.split()[1]: line.split()[-1] for line in rows(listed)}
        if not {"Queued", "Running"} & set(states.values()) or time.monotonic() > deadline:
            return states
        time.sleep(3)


def rows(listed):
    return [line for line in listed.splitlines() if line.split()[1:2] and line.split()[1] in ("three", "four")]


def found_epochs(project):
    shown = project.dvc("exp", "show", "--json").stdout
    (baseline,) = (each for each in json.loads(shown) if each["experiments"])
    return {
        each["name"]: each["revs"][0]["data"]["params"]["params.yaml"]["data"]["train"]["epochs"]
        for each in baseline["experiments"]
    }
