r"""Names that are no UTF-8, and outputs that are none, are written with escapes: \udcff is byte FF to Python."""

import os
import shutil
import sys
from io import BytesIO, TextIOWrapper

import pytest

from roundoff.cli import main
from roundoff.revisions.revision import experiments
from tests.cli.conftest import write_run

ODD = os.fsdecode(b"s\xff")
SHOWN = r"s\udcff"


def run(capsys, *arguments):
    status = main(arguments)
    return status, capsys.readouterr()


def test_the_page_of_a_project_is_named(judged, capsys, monkeypatch):
    judged.rename(judged.with_name(ODD))
    monkeypatch.chdir(judged.with_name(ODD))
    (judged.with_name(ODD) / "metrics/report.html").touch()
    status, shown = run(capsys, "report", "--no-open")
    assert (status, shown.out) == (0, f"{judged.with_name(SHOWN)}/metrics/report.html\n")


@pytest.mark.parametrize("option", ["--require", "--against"])
def test_an_error_about_a_name_is_written_for_the_comment(judged, capsys, tmp_path, monkeypatch, option):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    status, shown = run(capsys, "check", option, ODD, "--md", str(tmp_path / "check.md"))
    assert (status, SHOWN in shown.err) == (2, True)
    assert SHOWN in (tmp_path / "check.md").read_text()
    assert SHOWN in (tmp_path / "summary.md").read_text()


def test_an_experiment_gets_no_such_name_and_results_may_lie_in_such_a_folder(judged, capsys, tmp_path):
    (tmp_path / ODD).mkdir()
    write_run(tmp_path / ODD, platform="two")
    status, shown = run(capsys, "collect", str(tmp_path / ODD), "-n", ODD)
    assert status == 2
    assert r"s\udcff" in shown.err
    assert experiments(judged) == []
    assert run(capsys, "collect", str(tmp_path / ODD), "-n", "two")[0] == 0
    assert [one.name for one in experiments(judged)] == ["two"]


def test_a_run_in_such_a_folder_is_compared(judged, capsys, tmp_path):
    write_run(tmp_path / ODD, platform="two")
    status, shown = run(capsys, "compare", str(tmp_path / ODD), "main", "--out", str(tmp_path / "page"))
    assert (status, shown.err) == (0, "")
    assert r"s\\udcff" in (tmp_path / "page/compare.md").read_text()
    assert SHOWN in (tmp_path / "page/compare.html").read_text()
    shutil.copytree(tmp_path / ODD, tmp_path / "runs" / ODD)
    shutil.copytree(tmp_path / ODD, tmp_path / "runs/other")
    assert run(capsys, "compare", str(tmp_path / "runs"), "--out", str(tmp_path / ODD / "page"))[0] == 0


def test_an_output_that_has_no_such_letter_gets_its_escape(judged, monkeypatch):
    output = TextIOWrapper(BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", output)
    assert main(["plan", "--accuracy", "0.9"]) == 0
    assert main(["doctor"]) == 0
    output.seek(0)
    assert r"\u2713 onnxruntime" in output.read()
