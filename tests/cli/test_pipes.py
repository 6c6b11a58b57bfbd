"""No command waits for who writes into a pipe: it is refused in words."""

import os

import pytest

from roundoff.cli import main


def refused(capsys, *arguments):
    """What a command says that refuses."""
    assert main(arguments) == 2
    return capsys.readouterr().err


def pipe(path):
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)


@pytest.mark.parametrize("name", ["extra.json", "fp32.json", "verdict.json"])
def test_among_the_metrics(judged, capsys, name):
    pipe(judged / "metrics" / name)
    for command in (["check"], ["diff", "main"]):
        assert f"{name} is neither a file nor a folder" in refused(capsys, *command)


def test_in_the_place_of_what_dvc_recorded(judged, capsys):
    pipe(judged / "dvc.lock")
    assert "dvc.lock is neither a file nor a folder" in refused(capsys, "diff", "main")


def test_in_the_place_of_settings(judged, capsys):
    pipe(judged / "params.yaml")
    assert "params.yaml is neither a file nor a folder" in refused(capsys, "compare", ".", "main")


@pytest.mark.parametrize("read", [False, True])
def test_in_the_place_of_the_jobs_summary(judged, capsys, monkeypatch, tmp_path, read):
    pipe(tmp_path / "summary")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    reader = os.open(tmp_path / "summary", os.O_RDONLY | os.O_NONBLOCK) if read else None
    assert "GITHUB_STEP_SUMMARY=" in refused(capsys, "check")
    if reader is not None:
        os.close(reader)


@pytest.mark.parametrize("option", ["--md", "--junit"])
def test_in_the_place_of_what_is_written(judged, capsys, tmp_path, option):
    pipe(tmp_path / "out")
    assert "is neither a file nor a folder" in refused(capsys, "check", option, str(tmp_path / "out"))
    assert [path.name for path in tmp_path.glob("*out*")] == ["out"]
    assert (tmp_path / "out").is_fifo()


@pytest.mark.parametrize("name", ["layers.csv", "sensitivity.csv", "curves.csv", "noise.csv"])
def test_among_results_of_another_machine(judged, capsys, name):
    pipe(judged / "metrics" / name)
    assert f"{name} is neither a file nor a folder" in refused(capsys, "collect", ".")
