"""The gate in Markdown, for a comment or a job's summary."""

from __future__ import annotations

from collections.abc import Iterator

from roundoff.gate.findings import Gate
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
    yield f"### {MARKS[gate.outcome]} {_cell(title(gate, words))}"
    yield ""
    yield "| " + " | ".join(("", words("col_cell"), words("gate_found"))) + " |"
    yield "| --- | --- | --- |"
    for each in gate.worst_first:
        outcome = words(f"verdict_{each.outcome}")
        yield f"| {MARKS[each.outcome]} {outcome} | {_cell(each.cell)} | {_cell(each.said)} |"
    yield ""
    for note in (*gate.notes, words("gate_machine", machine=gate.machine)):
        yield f"- {_cell(note)}"


def _cell(text: str) -> str:
    """Text that Markdown shows as it is, in one cell of a table."""
    for character in "\\`*_[]<>|":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())
