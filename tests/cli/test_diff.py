"""The command line, on real git repositories."""

import json
import os
import subprocess
import sys

import pytest

from roundoff.cli import main
from roundoff.results.metrics import FORMAT
from roundoff.system.files import write_json
from tests.cli.conftest import write_run
from tests.support.diffed import NAME, commit_figures, judge, judgements, shown, write
from tests.support.repository import git

OLD_METRICS = {
    "platform": {"gpus": [{"name": "one"}], "id": "aaaa", "cpu": {"model": "one"}},
    "reference": None,
    "method": {},
    "onnxruntime": {
        "status": "measured",
        "reason": None,
        "label": "int8",
        "size_mb": 0.1,
        "accuracy": {
            "top1": 0.95,
            "top1_low": 0.94,
            "top1_high": 0.96,
            "samples": 1000,
            "correct": 950,
            "nonfinite": 0,
        },
        "batch_1": {"reason": None, "device_p50_ms": 0.1, "variation": 0.01, "runs": 9, "stopped": "target"},
    },
}


OLD_CHECK = {
    "name": "keep",
    "verdict": "pass",
    "found": 1.0,
    "low": 1.0,
    "high": 1.0,
    "limit": 0.99,
    "reason": "it does",
}


OLD_VERDICT = {
    "target": {"keep": 0.99, "points": None, "batch_size": 1, "speed_margin": 0.01},
    "cells": {NAME: {"verdict": "pass", "checks": [OLD_CHECK], "speed": {"batch_1": "faster"}, "speed_margin": 0.01}},
}


def refused(capsys, *arguments):
    assert main(["diff", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def test_revisions_are_compared(project, capsys):
    commit_figures(project, size=0.2, latency=0.105)
    lines = shown(capsys, "HEAD~1", "HEAD", "--all").splitlines()
    assert lines[0] == "ships nothing, as before: 1 proven worse, 0 proven better, 1 within noise, 0 not judged"
    assert lines[4].split() == ["-", NAME, "MB", "0.1", "0.2", "+100.00", "%"]
    assert lines[5].split() == ["~", NAME, "device", "ms,", "batch", "1", "0.1", "0.105", "+5.00", "%"]
    assert "device ms" not in shown(capsys, "HEAD~1", "HEAD")


def test_workspace_is_the_default(project, capsys):
    write(project / "metrics", size=0.05)
    out = shown(capsys, "HEAD")
    assert "workspace" in out
    assert "1 proven better" in out
    assert f"+  {NAME}" in out


def test_nothing_differs(project, capsys):
    assert "no figure differs" in shown(capsys, "HEAD")


def test_all_shows_what_is_unchanged(project, capsys):
    assert f"=  {NAME}" in shown(capsys, "HEAD", "--all")
    assert "no figure differs" in shown(capsys, "HEAD")


def test_experiment_is_found_by_name(project, capsys):
    made = commit_figures(project, size=0.3)
    git(project, "update-ref", "refs/exps/ab/cdef0123456789/brisk-bird", made)
    git(project, "reset", "-q", "--hard", "HEAD~1")
    assert "+200.00 %" in shown(capsys, "HEAD", "brisk-bird")


def test_name_of_two_experiments_is_refused(project, capsys):
    first = git(project, "rev-parse", "HEAD")
    second = commit_figures(project, size=0.3)
    git(project, "update-ref", "refs/exps/ab/cdef0123456789/twin", first)
    git(project, "update-ref", "refs/exps/cd/ef0123456789ab/twin", second)
    assert "several experiments have this name" in refused(capsys, "twin")


@pytest.mark.parametrize("revision", ["no-such-revision", "--output=x", "HEAD:metrics", ""])
def test_unknown_revision_is_refused(project, capsys, revision):
    error = refused(capsys, "--", revision)
    assert error.startswith("error: no such revision")
    assert "dvc exp show" in error


def test_revision_without_metrics_is_refused(project, capsys):
    git(project, "rm", "-rq", "metrics")
    git(project, "commit", "-q", "-m", "remove")
    assert "no measured cells in metrics/ of HEAD" in refused(capsys, "HEAD")


def test_broken_metrics_are_refused(project, capsys):
    (project / "metrics/int8.json").write_text("{")
    assert "int8.json of workspace is broken" in refused(capsys, "HEAD")


@pytest.mark.parametrize(("format", "what"), [(99, "format 99"), (FORMAT, "holds what cannot be")])
def test_metrics_that_cannot_be_read_are_refused_with_their_revision(project, capsys, format, what):
    path = project / "metrics/int8.json"
    path.write_text(path.read_text().replace(f'"format": {FORMAT}', f'"format": {format}').replace("0.95", "7.0"))
    git(project, "commit", "-qam", "spoilt")
    error = refused(capsys, "HEAD~1", "HEAD")
    assert what in error
    assert "int8.json" in error
    assert "(in HEAD)" in error


def test_metrics_from_before_there_was_a_format_are_compared_under_todays_names(project, capsys):
    write_json(project / "metrics/int8.json", OLD_METRICS)
    write_json(project / "metrics/verdict.json", OLD_VERDICT)
    for name in ("fp32", "fp16", "more"):
        (project / f"metrics/{name}.json").unlink()
    git(project, "add", "-A")
    git(project, "commit", "-qm", "before")
    write(project / "metrics", latency=0.2)
    judge(project, "fail", min_relative_accuracy=0.99)
    found, judged = judgements(capsys, "HEAD")
    assert found["differing"] == []
    assert judged == {
        "verdict": "worse",
        "top1": "unchanged",
        "size_mb": "unchanged",
        "batch 1: device_p50_ms": "worse",
    }


def test_directory_without_git_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert "revisions need a git repository" in refused(capsys, "HEAD", "--project", str(tmp_path))


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_reader_that_leaves_is_no_error(project, options):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "roundoff.cli", "diff", "HEAD", "--all", *options]
    done = subprocess.run(command, cwd=project, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_json_holds_every_figure(project, capsys):
    commit_figures(project, latency=0.2)
    found = json.loads(shown(capsys, "HEAD~1", "HEAD", "--json"))
    assert found["same_machine"] is True
    assert found["b"]["commit"] == git(project, "rev-parse", "HEAD")
    by_name = {change["figure"]: change for change in found["changes"]}
    assert by_name["batch 1: device_p50_ms"]["judgement"] == "worse"
    assert by_name["batch 1: device_p50_ms"]["change"] == pytest.approx(1.0)
    assert by_name["size_mb"]["judgement"] == "unchanged"


def test_drift_can_be_set(project, capsys):
    commit_figures(project, latency=0.105)
    assert "1 proven worse" in shown(capsys, "HEAD~1", "HEAD", "--drift", "0.01")


def test_nothing_proven_is_said(project, capsys):
    commit_figures(project, latency=0.105)
    assert "no difference is proven; --all shows every figure" in shown(capsys, "HEAD~1")


@pytest.mark.parametrize(("size", "status"), [(0.2, 1), (0.1, 0), (0.05, 0)])
def test_the_exit_code_tells_what_is_proven_worse(project, size, status):
    write(project / "metrics", size=size)
    assert main(["diff", "HEAD", "--exit-code"]) == status


def test_markdown_has_a_row_for_what_matters(project, capsys):
    commit_figures(project, size=0.2, latency=0.105)
    lines = shown(capsys, "HEAD~1", "HEAD", "--md").splitlines()
    assert lines[0].startswith("**ships nothing, as before: 1 proven worse")
    assert lines[-1] == f"| - | {NAME} | MB | 0.1 | 0.2 | +100.00 % |  | worse |"
    assert len([line for line in lines if line.startswith("|")]) == 3


def test_what_ships_before_and_after_comes_first(judged, capsys):
    write_run(judged, regressed=500)
    lines = shown(capsys, "main").splitlines()
    assert lines[0].startswith("ships fp32/ort, before int8/ort: ")
    assert lines[4].split()[:5] == ["-", "int8/ort", "verdict", "pass", "fail"]


def test_rows_fit_80_columns_the_worst_first(judged, capsys):
    write_run(judged, speedup=1.0, regressed=500, size=0.2)
    lines = shown(capsys, "main", "--all").splitlines()
    assert max(map(len, lines[2:])) <= 80
    marks = "".join(line[0] for line in lines[4:])
    assert marks == "".join(sorted(marks, key="-+!?~=".index))
    assert marks.startswith("---")


@pytest.mark.parametrize("drift", ["-0.1", "1", "much"])
def test_bad_drift_is_refused(project, capsys, drift):
    with pytest.raises(SystemExit, match="2"):
        main(["diff", "HEAD", f"--drift={drift}"])
    assert "--drift" in capsys.readouterr().err
