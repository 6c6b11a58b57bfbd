"""The answer in a terminal."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest

from roundoff.report.render.document import Page
from roundoff.report.render.terminal import tell
from roundoff.report.sections.answer import answer_section
from roundoff.report.words.answer import lead
from roundoff.results.message import LANGUAGES, Message, Words
from tests.support.present import present, texts_in

PAGE = Path("metrics/report.html")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def told(capsys, evidence, language="en"):
    tell(evidence, Words(language), PAGE)
    return capsys.readouterr().out


def test_what_ships_comes_first_and_every_measured_cell_has_a_line(run, capsys):
    evidence = run.evidence()
    lines = told(capsys, evidence).strip().splitlines()
    shipped = present(evidence.verdict).recommendations["balanced"].cell
    assert re.match(r"Ship \w+.* / \w+ at batch sizes 1 and 32 on this machine", lines[0])
    rows = {line.split()[0]: line for line in lines if re.match(r"\w+/\w+ ", line)}
    assert list(rows) == [cell.key for cell in evidence.measured]
    assert shipped in rows
    assert re.search(r"int8/onnxruntime +(pass|undecided|fail) +1\.4\d× +1\.4\d× +\d\d\.\d\d", rows["int8/onnxruntime"])
    assert " 1× " in rows["fp32/litert"]


def test_it_says_what_the_page_says(run, capsys):
    evidence, page = run.evidence(), Page()
    answer_section(page, evidence, Words("en"))
    lines = told(capsys, evidence).strip().splitlines()
    assert lines[0] == texts_in(page.blocks)[1] == lead(evidence, Words("en"))


def test_what_did_not_run_where_the_page_is_and_what_to_do_next(run, capsys):
    shown = told(capsys, run.evidence())
    assert "Not run here: fp32, tf32, fp16, int8 on tensorrt_rtx (the engine needs an NVIDIA GPU" in shown
    assert f"Report: {PAGE} (`roundoff report` opens it)" in shown
    assert re.search(r"Next: about [\d,]+ test images would decide what is undecided \(there are 360\)", shown)
    assert "Next: `roundoff check" in shown


def test_a_failure_is_a_warning_and_its_command_comes_next(run, capsys):
    command = "dvc repro -f evaluate"
    failed = {"status": "failed", "reason": {"code": "no_words", "values": {}}, "rerun": command}
    run.rewrite("fp16", lambda content: content["litert"].update({**failed, "accuracy": None, "energy": None}))
    shown = told(capsys, run.evidence())
    assert "warning: fp16/litert failed" in shown
    assert f"Next: {command}\n" in shown


def test_noise_is_a_warning_with_the_setting(run, capsys):
    evidence = run.evidence()
    cells = tuple(
        replace(
            cell,
            metrics=replace(
                cell.metrics,
                batches={
                    size: replace(batch, stop_reason="budget", warnings=[Message("noisy")])
                    for size, batch in cell.metrics.batches.items()
                },
            ),
        )
        for cell in evidence.cells
    )
    shown = told(capsys, replace(evidence, cells=cells))
    assert "warning: single runs kept varying until the time was up in all 12 timed batches" in shown
    assert "raise evaluate.budget_seconds" in shown


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_plain_where_it_is_no_terminal(run, capsys, language):
    assert "\x1b" not in told(capsys, run.evidence(), language)


@pytest.mark.parametrize(("no_color", "coloured"), [(None, True), ("1", False)])
def test_colours_are_a_terminals_unless_no_color_is_set(run, monkeypatch, no_color, coloured):
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", no_color) if no_color else monkeypatch.delenv("NO_COLOR", raising=False)
    tell(run.evidence(), Words("en"), PAGE)
    assert bool(re.search(r"\x1b\[(\d;)?3\d", terminal.getvalue())) == coloured
