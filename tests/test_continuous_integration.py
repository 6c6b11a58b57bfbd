"""What runs before a commit and after a push: it can be read, it calls what there is, and it stops what is wrong."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.support.places import ROOT

HOOKS = ROOT / ".pre-commit-config.yaml"
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
COMMANDS = [step["run"] for job in WORKFLOW["jobs"].values() for step in job["steps"] if "run" in step]
GOOD = '"""A module."""\n\nNUMBER: int = 1\n'
FAULTS = {
    "ruff": '"""A module."""\n\nimport os\n\nNUMBER: int = 1\n',
    "ruff-format": '"""A module."""\n\nNUMBER: int   = 1\n',
    "mypy": '"""A module."""\n\nNUMBER: int = "one"\n',
}


def targets():
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("command", [*COMMANDS, (ROOT / ".ci/run").read_text().splitlines()[-1]])
def test_continuous_integration_calls_targets_that_there_are(command):
    words = [word for word in command.split()[1:] if "=" not in word]
    assert command.split()[0] == "make"
    assert words
    assert set(words) <= targets()


def test_continuous_integration_runs_all_tests_on_every_python_that_is_allowed():
    jobs = [
        job for job in WORKFLOW["jobs"].values() if any("make test-all" in step.get("run", "") for step in job["steps"])
    ]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [(low, high)] = re.findall(r"^>=3\.(\d+),<3\.(\d+)$", project["requires-python"])
    assert jobs[0]["strategy"]["matrix"]["python"] == [f"3.{minor}" for minor in range(int(low), int(high))]
    assert True in WORKFLOW  # `on`, as YAML 1.1 reads it


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A small package under the hooks and tool settings of this repository; commits nothing."""
    tmp_path = tmp_path_factory.mktemp("repository")
    for name in (HOOKS.name, "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    for folder in ("src/roundoff", "stages", "benchmarks", "tests"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / ("__init__.py" if folder != "stages" else "stage.py")).write_text(GOOD)
    for words in (("init", "-q"), ("add", "-A")):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    return tmp_path


@pytest.fixture
def hooks(repository, monkeypatch):
    """Run all hooks: the words of each, by its id, and whether it passed."""
    monkeypatch.setenv("PRE_COMMIT_HOME", str(repository / ".git/pre-commit"))
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)

    def run():
        command = [sys.executable, "-m", "pre_commit", "run", "--all-files", "--verbose"]
        said = subprocess.run(command, cwd=repository, capture_output=True, text=True).stdout
        return dict(
            zip(re.findall(r"^- hook id: (.+)$", said, re.M), re.findall(r"(Passed|Failed)$", said, re.M), strict=True)
        )

    return run


def test_hooks_pass_what_is_right(hooks):
    assert hooks() == dict.fromkeys(FAULTS, "Passed")


@pytest.mark.parametrize("hook", FAULTS)
def test_each_hook_stops_what_is_its_own(hooks, repository, hook):
    module = repository / "src/roundoff/__init__.py"
    module.write_text(FAULTS[hook])
    try:
        assert hooks() == dict.fromkeys(FAULTS, "Passed") | {hook: "Failed"}
    finally:
        module.write_text(GOOD)
