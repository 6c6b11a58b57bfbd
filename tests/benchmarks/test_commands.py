"""Every command that a document names exists and can say what it takes, from whatever folder."""

import re
import subprocess
import sys

import pytest

from benchmarks.commands import environment, run
from tests.support.places import ROOT

DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob("results/**/*.md"),
    *ROOT.glob("benchmarks/**/*.*"),
]
TEXTS = [path.read_text(encoding="utf-8") for path in DOCUMENTS if path.suffix in (".md", ".py", ".sh")]
NAMED = sorted(
    {words for text in TEXTS for words in re.findall(r"python3? -m (benchmarks\.[a-z]+(?: [a-z]\w+)?)", text)}
)
WANTS = {"benchmarks.gpu resnet50": "torch", "benchmarks.large timm": "timm"}
"""Programs that cannot even say what they take where this is not installed."""


def test_documents_name_every_program():
    programs = {path.parent.name for path in ROOT.glob("benchmarks/*/__main__.py")}
    assert {name.split()[0].removeprefix("benchmarks.") for name in NAMED} == programs


@pytest.mark.slow  # a process for each
@pytest.mark.parametrize("named", NAMED)
def test_each_command_says_what_it_takes(named, tmp_path):
    command = [sys.executable, "-m", *named.split(), "--help"]
    told = subprocess.run(command, env=environment(), cwd=tmp_path, capture_output=True, text=True)
    if told.returncode and named in WANTS:
        assert told.stderr == f"error: python -m {named} needs {WANTS[named]}, which is not installed\n"
    else:
        assert told.returncode == 0, told.stderr
        assert f"usage: python -m {named}" in told.stdout


def test_paths_that_documents_name_exist():
    named = {path for text in TEXTS for path in re.findall(r"\bbenchmarks/[\w/]+\.(?:py|sh)\b", text)}
    assert named
    assert [path for path in sorted(named) if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize(("arguments", "words"), [(["biuld"], "no command biuld"), ([], "no command given")])
def test_a_command_that_does_not_exist_is_refused_with_those_that_do(capsys, arguments, words):
    assert run("benchmarks.gpu", {"leaks": "grows?"}, arguments) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {words}\nusage: python -m benchmarks.gpu COMMAND")
    assert "leaks  grows?" in told


def test_what_is_not_installed_is_named(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(sys, "argv", ["x"])
    monkeypatch.delitem(sys.modules, "benchmarks.gpu.resnet50", raising=False)
    assert run("benchmarks.gpu", {"resnet50": ""}, ["resnet50", "--help"]) == 1
    assert capsys.readouterr().err == "error: python -m benchmarks.gpu resnet50 needs torch, which is not installed\n"
