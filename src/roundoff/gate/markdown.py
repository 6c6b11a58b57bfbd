"""The gate in Markdown, for a comment or a job's summary."""

from __future__ import annotations

from collections.abc import Iterator

from roundoff.gate.findings import Gate
from roundoff.report.render.markdown import as_it_is
from roundoff.results.message import Words
from roundoff.results.values import Outcome

MARKS: dict[Outcome, str] = {"pass": "✅", "fail": "❌", "undecided": "❔"}


def title(gate: Gate, words: Words) -> str:
    """The answer in a sentence."""
    cell = gate.cell or words("gate_no_cell")
    since = words("gate_since", revision=gate.revision) if gate.revision else ""
    return words(f"gate_title_{gate.outcome}", cell=cell, since=since)


def markdown_from_gate(gate: Gate, words: Words) -> str:
    """The answer, a row for each finding with the worst first, and the notes."""
    return "\n".join(_lines(gate, words)) + "\n"


def _lines(gate: Gate, words: Words) -> Iterator[str]:
    yield f"### {MARKS[gate.outcome]} {as_it_is(title(gate, words))}"
    yield ""
    yield "| " + " | ".join(("", words("col_cell"), words("gate_found"))) + " |"
    yield "| --- | --- | --- |"
    for each in gate.worst_first:
        outcome = words(f"verdict_{each.outcome}")
        yield f"| {MARKS[each.outcome]} {outcome} | {as_it_is(each.cell)} | {as_it_is(each.said)} |"
    yield ""
    for note in (*gate.notes, words("gate_machine", machine=gate.machine)):
        yield f"- {as_it_is(note)}"
