"""`roundoff run`: by DVC where it is, else the stages one after the other."""

import subprocess
import sys
from pathlib import Path

import pytest

from roundoff.cli import main, run
from roundoff.errors import RoundoffError
from roundoff.pipeline.running import has_dvc, home, stages_in_order
from tests.support.places import ROOT
from tests.support.repository import git

PRECISIONS = ("fp32", "fp16", "int8", "bf16")


@pytest.fixture
def started(monkeypatch):
    """The commands that are started, none of which is run."""
    commands = []

    def ran(command, source=None):
        commands.append([Path(word).name if "/stages/" in word else word for word in command[1:]])
        return 0

    monkeypatch.setattr(run, "_ran", ran)
    return commands


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A DVC project in git."""
    git(tmp_path, "init", "-q")
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ([], "repro"),
        (["evaluate", "report"], "repro evaluate report"),
        (["build"], "repro build-fp32 build-fp16 build-int8 build-more build-mixed build-given"),
        (["build-more@bf16"], "repro build-more@bf16"),
        (["train", "train.epochs=3", "model=resnet20"], "exp run -S train.epochs=3 -S model=resnet20 train"),
    ],
)
def test_dvc_runs_what_it_can(project, started, capsys, words, command):
    assert main(["run", *words]) == 0
    assert started == [["-P", "-X", "utf8", "-m", "dvc", *command.split()]]
    assert capsys.readouterr().out == f"$ dvc {command}\n"


def test_what_a_killed_dvc_left_half_written_is_mended_first(project, started, capsys):
    (project / ".dvc" / "tmp").mkdir()
    (project / ".dvc" / "tmp" / "rwlock").touch()
    assert main(["run"]) == 0
    assert "rwlock was half written" in capsys.readouterr().err
    assert not (project / ".dvc" / "tmp" / "rwlock").exists()


@pytest.mark.parametrize(("word", "near"), [("evalute", "evaluate"), ("train.epoch=3", "train.epochs")])
def test_what_is_misspelt_starts_nothing(project, started, capsys, word, near):
    assert main(["run", word]) == 2
    assert started == []
    assert f"did you mean {near}?" in capsys.readouterr().err


def test_without_dvc_the_stages_run_in_order(tmp_path, monkeypatch, started):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "precision=[fp32,fp16,int8,bf16]"]) == 0
    assert [[word for word in command if word.endswith(".py") or "build.precision" in word] for command in started] == [
        ["probe.py"],
        ["prepare.py"],
        ["train.py"],
        ["export.py"],
        ["calibrate.py"],
        ["sensitivity.py"],
        *[["build.py", f"build.precision={name}"] for name in PRECISIONS],
        ["layers.py"],
        ["evaluate.py"],
        ["report.py"],
    ]
    assert all("precision=[fp32,fp16,int8,bf16]" in command and "hydra.run.dir=." in command for command in started)


@pytest.mark.parametrize("setting", ["more=null", "precisions=3"])
def test_without_dvc_a_section_of_precisions_that_is_none_starts_nothing(
    tmp_path, monkeypatch, started, capsys, setting
):
    monkeypatch.chdir(tmp_path)
    assert main(["run", setting]) == 2
    assert "is no section" in capsys.readouterr().err
    assert started == []


@pytest.mark.parametrize("content", [b"a: [", b"a: \xff"])
def test_a_conf_that_cannot_be_read_starts_nothing(project, started, capsys, content):
    for name in ("stages", "conf"):
        (project / name).mkdir()
    (project / "conf/config.yaml").write_bytes(content)
    assert main(["run", "train.epochs=3"]) == 2
    assert "the configuration cannot be composed" in capsys.readouterr().err
    assert started == []


@pytest.mark.parametrize("content", [b"stages: [", b"", b"stages: \xff"])
def test_a_pipeline_that_cannot_be_read_starts_nothing(project, started, capsys, content):
    (project / "dvc.yaml").write_bytes(content)
    assert main(["run"]) == 2
    assert "dvc.yaml" in capsys.readouterr().err
    assert started == []


def test_a_stage_that_fails_is_the_last(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "_ran", lambda command, source=None: 7 if "prepare.py" in command[6] else 0)
    assert main(["run"]) == 7


def test_stages_as_they_are_asked_for():
    assert stages_in_order(["report", "build-int8"], PRECISIONS) == [("report", None), ("build", "int8")]
    assert stages_in_order(["build"], ["int8", "given"]) == [("build", "int8"), ("build_given", "given")]
    mixed = [("mix", "int8_mixed"), ("build", "int8_mixed")]
    assert stages_in_order(["mix", "build"], ["int8_mixed"]) == mixed
    assert stages_in_order(["mix"], ["int8"]) == []
    with pytest.raises(RoundoffError, match=r"did you mean build-int8\?"):
        stages_in_order(["build-int9"], PRECISIONS)


def test_a_folder_without_git_has_no_dvc(project):
    assert has_dvc(project)
    (project / ".git").rename(project / "elsewhere")
    assert not has_dvc(project)


def test_stages_are_the_projects_or_the_packages(tmp_path):
    assert home(tmp_path) == ROOT
    for name in ("stages", "conf"):
        (tmp_path / name).mkdir()
    assert home(tmp_path) == tmp_path


def test_the_exit_code_is_the_commands_also_of_a_signal():
    assert run._ran([sys.executable, "-c", "raise SystemExit(5)"]) == 5
    assert run._ran([sys.executable, "-c", "import os; os.kill(os.getpid(), 15)"]) == 143


@pytest.mark.parametrize(
    ("before", "source", "then"),
    [(":/plug::/ins", Path("/source"), "/source:/plug:/ins"), ("/plug:", None, "/plug"), (":", None, None)],
)
def test_an_empty_entry_of_pythonpath_does_not_stand_for_the_current_folder(monkeypatch, before, source, then):
    monkeypatch.setenv("PYTHONPATH", before)
    says = f"import os, sys; sys.exit(os.environ.get('PYTHONPATH') != {then!r})"
    assert run._ran([sys.executable, "-c", says], source) == 0


def test_what_was_started_ends_when_roundoff_is_killed():
    code = """
import sys
from roundoff.cli.run import _ran
_ran([sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(60)"])
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    started = int(process.stdout.readline())
    assert started != process.pid
    process.kill()
    process.communicate(timeout=30)  # its end: nobody holds the pipe any more
