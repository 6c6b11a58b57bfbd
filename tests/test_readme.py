"""The README's results are those of the report that it points to."""

import re

from tests.support.places import ROOT

RUN = "results/cpu-2-cores/cifar10-resnet20"
README = (ROOT / "README.md").read_text(encoding="utf-8")
REPORT = (ROOT / RUN / "report.md").read_text(encoding="utf-8")
SCREEN = 24
"""Lines of the README that one sees without scrolling."""


def cells(row):
    return [cell.strip() for cell in row.strip("|").split(" | ")]


def test_results_table_is_the_reports():
    """Of batch size 1: precision and backend, accuracy, device time and speed-up of every cell that was measured."""
    table = REPORT.partition("**Precision comparison, batch size 1**")[2].partition("**Precision")[0]
    of_report = [cells(row) for row in re.findall(r"^\| (?:onnxruntime|litert) .*$", table, re.MULTILINE)]
    of_readme = [cells(row) for row in re.findall(r"^\| .* on (?:onnxruntime|litert) \|.*$", README, re.MULTILINE)]
    shown = {(f"{row[1]} on {row[0]}", row[6], row[3], row[9]) for row in map(stripped, of_report)}
    assert len(shown) == 6
    assert {tuple(map(str.strip, row)) for row in map(stripped, of_readme)} == shown
    assert {row[2] for row in of_report} == {"✅ pass"}
    assert f"{RUN}/report.md" in README


def stripped(row):
    return [cell.strip("| ") for cell in row]


def test_the_answer_is_the_reports():
    [answer] = re.findall(r"^\*\*(Ship .*?)\.?\*\*", REPORT, re.MULTILINE)
    assert f"**{answer}**" in README
    [milliseconds] = re.findall(r"it takes ([\d.]+) ms", REPORT)
    assert f"int8/litert is the fastest, at {milliseconds} ms" in README


def test_the_picture_is_one_of_the_runs():
    [picture] = re.findall(r"!\[[^\]]+\]\((.+\.png)\)", README)
    assert picture.startswith(f"{RUN}/plots/")
    assert (ROOT / picture).is_file()


def test_the_two_commands_are_on_the_first_screen():
    first = "\n".join(README.splitlines()[:SCREEN])
    assert "\nmake repro " in first
    assert "\nmake test " in first
