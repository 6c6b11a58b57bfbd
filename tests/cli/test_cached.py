"""Metrics that git does not have: from DVC's cache, or words on why not."""

import sys

import pytest

from roundoff.cli import main
from roundoff.system.files import write_json
from tests.support.repository import commit, git

KEPT = ("fp32", "int8", "verdict")


def checked(capsys, *arguments):
    status = main(["check", *arguments])
    return status, capsys.readouterr()


@pytest.fixture
def unkept(judged):
    """The project, committed with metrics that dvc.lock alone lists; where DVC would have them."""
    stages, places = {}, {}
    for name in KEPT:
        md5 = f"{name:0<32}".encode().hex()[:32]
        places[name] = judged / f".dvc/cache/files/md5/{md5[:2]}/{md5[2:]}"
        stages[name] = {"outs": [{"path": f"metrics/{name}.json", "md5": md5}]}
    write_json(judged / "dvc.lock", {"stages": stages})
    git(judged, "rm", "-q", "--cached", *(f"metrics/{name}.json" for name in KEPT))
    (judged / ".gitignore").write_text("".join(f"/metrics/{name}.json\n" for name in KEPT))
    commit(judged)
    return places


@pytest.fixture
def cached(unkept, judged):
    """The same with DVC's cache."""
    from dvc.repo import Repo

    Repo.init(str(judged)).close()
    for name, place in unkept.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes((judged / f"metrics/{name}.json").read_bytes())
    return unkept


def test_metrics_that_only_dvc_keeps_are_read_from_its_cache_or_asked_for(cached, capsys):
    assert checked(capsys, "--against", "HEAD")[0] == 0
    cached["verdict"].unlink()
    status, shown = checked(capsys, "--against", "HEAD")
    assert status == 2
    assert "metrics/verdict.json is neither in git nor in DVC's cache" in shown.err
    assert "dvc pull" in shown.err


def test_a_byte_of_the_cache_that_is_no_utf_8_is_named(cached, capsys):
    cached["verdict"].write_bytes(b'{"cells": "\xff"}')
    status, shown = checked(capsys, "--against", "HEAD")
    assert status == 2
    assert (
        "verdict.json of HEAD is broken\n  received: 'utf-8' codec can't decode byte 0xff in position 11" in shown.err
    )


def test_a_byte_of_the_workspace_that_is_no_utf_8_is_named(judged, capsys):
    (judged / "metrics/build-int8.json").write_bytes(b'{"ort": "\xff"}')
    status, shown = checked(capsys)
    assert status == 2
    assert "build-int8.json of workspace is broken\n  received: 'utf-8' codec can't decode byte 0xff" in shown.err


@pytest.mark.parametrize("command", [["diff", "HEAD"], ["check", "--against", "HEAD"], ["compare", "HEAD", "."]])
def test_a_folder_that_is_no_project_of_dvc_has_no_cache(unkept, capsys, command):
    assert main(command) == 2
    said = capsys.readouterr().err
    assert "DVC's cache cannot be looked into" in said
    assert "NotDvcRepoError" in said


def test_without_dvc_there_is_no_cache(unkept, capsys, monkeypatch):
    for name in ("dvc.exceptions", "dvc.repo"):
        monkeypatch.setitem(sys.modules, name, None)
    assert main(["diff", "HEAD"]) == 2
    assert "pip install dvc" in capsys.readouterr().err
