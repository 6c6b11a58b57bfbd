"""`roundoff check`: its exit codes, what it writes, and what it refuses."""

from xml.etree import ElementTree

import pytest

from roundoff.cli import main
from tests.cli.conftest import write_run
from tests.support.present import present
from tests.support.repository import commit, git

LOST, GAINED = 150, 50  # of 10,000: a point


def checked(capsys, *arguments):
    status = main(["check", *arguments])
    return status, capsys.readouterr()


def test_what_ships_passes(judged, capsys):
    status, shown = checked(capsys)
    assert status == 0
    assert shown.out.startswith("Pass: int8/ort holds its target.\n")


@pytest.mark.parametrize("required", ["int8/ort", "balanced", "fastest"])
def test_a_cell_or_a_use_is_required(judged, capsys, required):
    write_run(judged, regressed=500)
    status, shown = checked(capsys, "--require", required)
    expected = {"int8/ort": (1, "Fail: int8/ort."), "balanced": (0, "Pass: fp32/ort"), "fastest": (0, "Pass: fp32/ort")}
    assert (status, shown.out[: len(expected[required][1])]) == expected[required]


@pytest.mark.parametrize(("options", "status"), [([], 3), (["--undecided", "pass"], 0), (["--undecided", "fail"], 1)])
def test_undecided_is_a_code_of_its_own_or_what_one_says(judged, capsys, options, status):
    write_run(judged, samples=300)
    found, shown = checked(capsys, "--require", "int8/ort", *options)
    assert found == status
    assert shown.out.startswith("Undecided: int8/ort")
    assert "test images would decide" in shown.out


def test_nothing_that_passes_is_a_failure(judged, capsys):
    write_run(judged, target={"size_mb": 0.1})
    status, shown = checked(capsys)
    assert status == 1
    assert "no cell passes" in shown.out


def test_a_cell_that_was_not_measured_is_an_error(judged, capsys):
    status, shown = checked(capsys, "--require", "fp32/rtx")
    assert status == 2
    assert "fp32/rtx was not measured" in shown.err
    assert "no GPU here" in shown.err


def test_a_misspelt_cell_is_an_error_that_names_the_nearest(judged, capsys):
    status, shown = checked(capsys, "--require", "int8/orr")
    assert (status, shown.out) == (2, "")
    assert "did you mean int8/ort?" in shown.err


def test_a_verdict_on_other_metrics_is_an_error(judged, capsys):
    (judged / "metrics/verdict.json").unlink()
    status, shown = checked(capsys)
    assert status == 2
    assert "dvc repro report" in shown.err


@pytest.mark.parametrize(
    ("figures", "status", "said"),
    [
        ({}, 0, "no loss is shown"),
        ({"speedup": 1.9}, 1, "speed-up over FP32 at batch size 1: 2.00× before, 1.90× now, -5.00 %"),
        ({"speedup": 1.99}, 0, "no loss is shown"),
        ({"ms": 3.0, "speedup": 2.0}, 0, "no loss is shown"),
        ({"regressed": LOST, "corrected": GAINED}, 1, "accuracy lost to the reference: 0.00 % before, 1.00 % now"),
    ],
)
def test_a_loss_since_another_revision_fails(judged, capsys, figures, status, said):
    write_run(judged, target={"min_relative_accuracy": 0.9}, **figures)
    commit(judged)
    git(judged, "reset", "-q", "--hard", "HEAD~1")
    write_run(judged, target={"min_relative_accuracy": 0.9})
    commit(judged)
    write_run(judged, target={"min_relative_accuracy": 0.9}, **figures)
    found, shown = checked(capsys, "--against", "main", "--require", "int8/ort")
    assert found == status, shown
    assert said in shown.out


def test_what_shipped_before_counts_although_another_cell_ships_now(judged, capsys):
    write_run(judged, regressed=500)
    status, shown = checked(capsys, "--against", "main")
    assert status == 1
    assert shown.out.startswith("Fail: fp32/ort")
    assert "int8/ort: verdict: pass before, fail now: a loss" in shown.out


def test_another_machine_leaves_a_loss_undecided_and_is_named(judged, capsys):
    write_run(judged, platform="two", speedup=1.5)
    status, shown = checked(capsys, "--against", "main")
    assert status == 3
    assert "another machine (one; here two)" in shown.out


def test_a_revision_that_is_not_here_says_how_to_get_it(judged, capsys):
    status, shown = checked(capsys, "--against", "origin/main")
    assert status == 2
    assert "git fetch" in shown.err


def test_markdown_junit_and_the_summary_of_a_job_are_written(judged, capsys, monkeypatch, tmp_path):
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    write_run(judged, samples=300)
    options = ["--require", "int8/ort", "--md", str(tmp_path / "check.md"), "--junit", str(tmp_path / "check.xml")]
    assert checked(capsys, *options)[0] == 3
    text = (tmp_path / "check.md").read_text()
    assert text.startswith("### ❔ Undecided: int8/ort")
    assert "| ❔ undecided | int8/ort | keeps" in text
    assert summary.read_text() == "before\n" + text
    suite = present(ElementTree.parse(tmp_path / "check.xml").getroot().find("testsuite"))
    assert [suite.get(name) for name in ("tests", "failures", "skipped")] == ["1", "0", "1"]
    assert present(suite.find("testcase")).get("name") == "int8/ort: min_relative_accuracy"


def test_an_error_is_written_for_the_comment_too(judged, capsys, tmp_path):
    status, shown = checked(capsys, "--require", "int9/ort", "--md", str(tmp_path / "check.md"))
    assert status == 2
    text = (tmp_path / "check.md").read_text()
    assert text.startswith("### ⚠️ roundoff check: error")
    assert shown.err.removeprefix("error: ") in text


def test_a_summary_that_cannot_be_written_is_an_error(judged, capsys, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(judged))
    status, shown = checked(capsys)
    assert status == 2
    assert "GITHUB_STEP_SUMMARY" in shown.err
