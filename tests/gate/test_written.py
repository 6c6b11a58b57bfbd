"""The gate as Markdown and as JUnit XML."""

from xml.etree import ElementTree

import pytest

from roundoff.gate.findings import Finding, Gate
from roundoff.gate.junit import junit_from_gate
from roundoff.gate.markdown import markdown_from_gate
from roundoff.results.message import LANGUAGES, Words
from tests.support.present import present

GATE = Gate(
    "int8/ort",
    (
        Finding("int8/ort", "size", "pass", "small"),
        Finding("int8/ort", "status", "fail", "a | b <\x1b\udcff> *c*"),
        Finding("", "a cell that passes", "undecided", "two"),
    ),
    "a CPU",
    "main",
    ("a note",),
)


def test_the_worst_finding_is_the_outcome_and_comes_first():
    assert GATE.outcome == "fail"
    assert [finding.outcome for finding in GATE.worst_first] == ["fail", "undecided", "pass"]
    assert Gate(None, (), "").outcome == "pass"


@pytest.mark.parametrize("language", LANGUAGES)
def test_markdown_keeps_a_row_a_finding(language):
    rows = [line for line in markdown_from_gate(GATE, Words(language)).splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 3
    assert "a \\| b \\<" in rows[2]


@pytest.mark.parametrize(("undecided", "counts"), [("undecided", (1, 1)), ("fail", (2, 0)), ("pass", (1, 0))])
def test_junit_counts_what_undecided_is_said_to_be(undecided, counts):
    suite = present(ElementTree.fromstring(junit_from_gate(GATE, undecided).encode()).find("testsuite"))
    assert (suite.get("failures"), suite.get("skipped"), suite.get("tests")) == (*map(str, counts), "3")
    failure = present(suite.findall("testcase")[1].find("failure"))
    assert failure.get("message") == "a | b <\ufffd\ufffd> *c*"
