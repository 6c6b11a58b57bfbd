"""The command: what a result holds is judged, and its tables go into the document."""

from __future__ import annotations

import json
import sys

import pytest

from benchmarks.zoo import __main__ as zoo


@pytest.fixture
def call(result, tmp_path, monkeypatch):
    def call(*arguments, **changes):
        out, document = tmp_path / "zoo.json", tmp_path / "zoo.md"
        out.write_text(json.dumps(result | changes))
        document.write_text("<!-- zoo -->\n<!-- /zoo -->\n")
        given = ["--read", "--out", str(out), "--document", str(document), *arguments]
        monkeypatch.setattr(sys, "argv", ["zoo", *given])
        return zoo.main(), json.loads(out.read_text()), document.read_text()

    return call


def test_a_good_result_passes_and_its_tables_are_written(call, capsys):
    code, written, document = call("--check")
    assert code == 0
    assert written["missed"] == []
    assert "| net0 | 3e-07 | 99.00 | 98.80 | – | 98.90 | – | – | 98.80 | 98.00 |" in document
    assert "| net0 | 11 of 11 | 11 of 11 | 3 | 1.50 (1.40 to 1.60) |" in document
    assert "| net0, images | 0.0101 | 0.0100 (best) | 1.01 |" in document
    assert "| evaluate | 3.0 | 3.0 | 300 | 300 | net0 |" in document
    assert capsys.readouterr().err == ""


def test_costs_are_of_the_first_draw(call, result):
    for row in result["rows"]:
        row["costs"]["evaluate"]["seconds"] = 3.0 if row["draw"] == 0 else 9.0
    assert "| evaluate | 3.0 | 3.0 | 300 | 300 | net0 |" in call()[2]


def test_what_was_not_measured_is_listed_once_with_its_reason(call, result):
    rows = result["rows"]
    for row in rows[:3]:
        row["cells"]["int8/litert"] = {"status": "unavailable", "reason": "no kernel for GRU"}
        row["refused"] = {"given_nncf": "nncf is not installed"}
    rows[3] = {"network": "net1", "draw": 0, "failed": "export: exit code 1"}
    document = call(rows=rows)[2]
    assert document.count("- net0, int8/litert: unavailable: no kernel for GRU") == 1
    assert document.count("- net0, nncf: nncf is not installed") == 1
    assert "- net1, all: export: exit code 1" in document


def test_check_fails_and_names_what_was_missed(call, capsys):
    code, written, _ = call("--check", draws=4)
    assert code == 1
    assert written["missed"] == ["72 of 96 rows were measured (failed: none)"]
    assert capsys.readouterr().err == "missed: 72 of 96 rows were measured (failed: none)\n"


def test_an_unknown_network_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["zoo", "--read", "--only", "resnet_v9"])
    with pytest.raises(SystemExit, match="2"):
        zoo.main()
    assert "resnet_v9" in capsys.readouterr().err
