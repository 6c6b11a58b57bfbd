"""The gate as JUnit XML, which continuous integration shows beside a project's tests."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from roundoff.gate.findings import Gate
from roundoff.results.values import Outcome

# What XML 1.0 cannot hold at all; a runtime's message may.
UNFIT = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_from_gate(gate: Gate, undecided: Outcome) -> str:
    """A test case for each finding; one that is undecided counts as `undecided` says, itself as skipped."""
    named = {"fail": "failure", "undecided": "skipped"}
    suite = ElementTree.Element("testsuite", name="roundoff check")
    outcomes = []
    for finding in gate.findings:
        case = ElementTree.SubElement(suite, "testcase", classname="roundoff", name=_fit(finding.name))
        outcomes.append(undecided if finding.outcome == "undecided" else finding.outcome)
        if outcomes[-1] != "pass":
            ElementTree.SubElement(case, named[outcomes[-1]], message=_fit(finding.said))
        else:
            ElementTree.SubElement(case, "system-out").text = _fit(finding.said)
    suite.set("tests", str(len(outcomes)))
    suite.set("failures", str(outcomes.count("fail")))
    suite.set("skipped", str(outcomes.count("undecided")))
    suite.set("errors", "0")
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _fit(text: str) -> str:
    return UNFIT.sub("\N{REPLACEMENT CHARACTER}", text)
