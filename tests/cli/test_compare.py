"""`roundoff compare` on real repositories: what a terminal shows, and the page."""

import re
import subprocess
import sys

import pytest

from roundoff.cli import main
from tests.comparison.conftest import project, write_run
from tests.support.accessibility import axe_source, opened, violations
from tests.support.browser import chromium
from tests.support.repository import commit, git

__all__ = ["chromium", "project"]


@pytest.fixture
def sweep(project):
    """Four experiments: two networks, each calibrated in two ways."""
    head = git(project, "rev-parse", "HEAD")
    for model, network in (("ResNet-8", "net"), ("ResNet-20", "deep")):
        for calibrate, speed in (("minmax", 2.0), ("mse", 3.0)):
            told = {"settings": {"train": {"epochs": 1}}, "speed": speed}
            write_run(project, model=model, network=network, calibrate=calibrate, **told)
            name = f"{network}-{calibrate}"
            git(project, "update-ref", f"refs/exps/{head[:2]}/{head[2:]}/{name}", commit(project))
            git(project, "reset", "-q", "--hard", head)
    return project


def shown(capsys, *arguments):
    assert main(["compare", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def test_without_names_it_is_every_experiment_of_this_commit(sweep, capsys):
    lines = shown(capsys).splitlines()
    assert lines[0] == "one, None cores: ship int8/ort."
    rows = [re.split(r"\s{2,}", line.strip()) for line in lines if re.match(r"\d  ", line)]
    assert [row[:3] for row in rows] == [
        ["1", "ResNet-20 · minmax", "int8/ort"],
        ["2", "ResNet-20 · mse", "int8/ort"],
        ["3", "ResNet-8 · minmax", "int8/ort"],
        ["4", "ResNet-8 · mse", "int8/ort"],
    ]
    assert re.search(r"int8/ort +✓ 2.00× +✓ 3.00× +✓ 2.00× +✓ 3.00×", "\n".join(lines))
    assert "calibrate does not touch fp32/ort: the same engine." in lines
    assert "calibrate changes int8/ort." in lines
    assert "Not comparable with ResNet-20 · minmax: ResNet-8 · minmax, ResNet-8 · mse (another FP32 graph)." in lines
    assert git(sweep, "status", "--porcelain") == "?? inner/metrics/compare/"


@pytest.mark.slow  # draws
def test_the_page_says_the_same_in_each_form(sweep, capsys):
    shown(capsys, "--by", "calibrate", "--out", "page")
    text = (sweep / "page/compare.md").read_text()
    assert "| Cell | ResNet-20 · minmax | ResNet-8 · minmax | ResNet-20 · mse | ResNet-8 · mse |" in text
    assert "- calibrate does not touch fp32/ort: the same engine." in text
    assert re.search(r"\| int8/ort \| 2.00× \(1.98–2.02\) \|", text)
    plots = sorted(path.name for path in (sweep / "page/plots").iterdir())
    assert plots == ["compare_1.png", "compare_2.png"]
    assert all(f"plots/{name}" in text for name in plots)
    html = (sweep / "page/compare.html").read_text()
    assert "calibrate does not touch fp32/ort: the same engine." in html
    assert html.count("data:image/svg+xml") == 2


def test_times_of_several_machines_are_not_ranked(project, tmp_path, capsys):
    there = write_run(tmp_path / "there", machine="far", speed=5.0)
    main(["collect", str(there)])
    out = shown(capsys, ".", "far", "--by", "machine")
    assert "one, None cores: ship int8/ort." in out
    assert "far, None cores: ship int8/ort." in out
    assert "times are not ranked across machines" in out
    text = (project / "metrics/compare/compare.md").read_text()
    assert "machine leaves" not in text
    assert "- machine does not touch fp32/ort, int8/ort: the same engine." in text
    assert len(re.findall("^- On the front of ", text, re.M)) == 2  # a plot for each machine


@pytest.mark.slow  # draws
def test_the_page_is_in_the_reports_language(project, tmp_path, capsys):
    (project / "params.yaml").write_text("report: {language: ja}\n")
    there = write_run(tmp_path / "there", machine="far")
    assert "を採用してください" in shown(capsys, ".", there)
    assert "を採用してください" not in shown(capsys, ".", there, "--language", "en")


def test_a_folder_of_something_else_is_not_replaced(project, tmp_path, capsys):
    there = write_run(tmp_path / "there", machine="far")
    (project / "page").mkdir()
    (project / "page/mine.txt").write_text("")
    assert main(["compare", ".", str(there), "--out", "page"]) == 2
    assert "mine.txt" in capsys.readouterr().err
    assert (project / "page/mine.txt").exists()


def test_what_is_no_run_is_refused_with_where_to_look(project, capsys):
    assert main(["compare", "HEAD", "no-such-run"]) == 2
    assert "no such revision" in capsys.readouterr().err
    assert main(["compare"]) == 2
    assert "no experiment of the commit that is checked out" in capsys.readouterr().err


@pytest.mark.slow  # draws
def test_many_runs_make_several_tables(project, tmp_path, capsys):
    names = [write_run(tmp_path / f"run-{number}", calibrate=f"way-{number}") for number in range(13)]
    names.append(write_run(tmp_path / "far", machine="far", calibrate="way-0"))
    out = shown(capsys, *names, "--out", "page", "--by", "machine")
    rows = [line for line in out.splitlines() if line.startswith(("Cell ", "fp32/ort", "int8/ort"))]
    assert len(rows) == 9  # three tables
    assert max(map(len, rows)) <= 80
    text = (project / "page/compare.md").read_text()
    heads = [line for line in text.splitlines() if line.startswith("| Cell |")]
    assert [line.count("|") - 2 for line in heads[:4]] == [6, 6, 1, 1]  # three of one machine, one of the other
    assert "**far, None cores: Verdict by the run's own target**" in text


def test_the_id_of_this_machine_is_printed_alone(capsys):
    assert main(["doctor", "--id"]) == 0
    assert re.fullmatch(r"[0-9a-f]{12}\n", capsys.readouterr().out)


@pytest.mark.slow  # draws the page in a browser
@pytest.mark.parametrize(("width", "dark"), [(1400, False), (390, True)])
def test_the_page_is_accessible_and_fits_its_window(chromium, sweep, capsys, width, dark):
    shown(capsys, "--out", "page")
    with opened(chromium, sweep / "page/compare.html", width, dark=dark) as window:
        assert violations(window, axe_source()) == []
        assert window.evaluate("document.documentElement.scrollWidth") == width


def test_a_reader_that_leaves_is_no_error(project, tmp_path):
    there = write_run(tmp_path / "there", machine="far")
    command = f"{sys.executable} -m roundoff.cli compare . {there} | true; exit ${{PIPESTATUS[0]}}"
    assert subprocess.run(["bash", "-c", command], capture_output=True).returncode in (0, 141)
