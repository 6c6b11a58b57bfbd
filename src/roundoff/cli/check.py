"""`roundoff check`: the gate for continuous integration."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from rich.text import Text

from roundoff.cli.terminal.console import Commands, add_place, stdout_console
from roundoff.errors import DataError, RoundoffError
from roundoff.gate.findings import Gate
from roundoff.gate.gate import check
from roundoff.gate.junit import junit_from_gate
from roundoff.gate.markdown import markdown_from_gate, title
from roundoff.results.message import Words
from roundoff.results.values import Outcome
from roundoff.system.files import write_text
from roundoff.system.plain_files import append_plain
from roundoff.system.printable import printable

SUMMARY = "GITHUB_STEP_SUMMARY"  # a file that GitHub shows on the run's page
STATUS: dict[Outcome, int] = {"pass": 0, "fail": 1, "undecided": 3}
STYLES = {"pass": "green", "fail": "bold red", "undecided": "yellow"}
CODES = """exit codes: 0 pass, 1 fail, 2 error, 3 undecided: the data do not decide (more test images would)"""


def add(commands: Commands) -> None:
    """The command `check`."""
    parser = commands.add_parser(
        "check",
        help="the gate: exit code 0 where what ships holds its target, 1 where not",
        description="Does what ships hold its target (verdict.json), and did it get worse since another revision?",
        epilog=CODES,
    )
    parser.add_argument(
        "--require",
        metavar="CELL",
        help="the cell that must pass, such as int8/litert, or the use `balanced` or `fastest`, for which one must "
        "(default: what the report says to ship)",
    )
    parser.add_argument("--undecided", choices=("pass", "fail"), help="what undecided counts as (default: exit code 3)")
    parser.add_argument("--against", metavar="REV", help="a git revision or DVC experiment: fail where it was better")
    parser.add_argument("--md", type=Path, metavar="FILE", help="write the result as Markdown, for a comment")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write the result as JUnit XML")
    add_place(parser)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Check, print and write; the exit code is the outcome's."""
    words = Words("en")
    try:
        gate = check(given.project, given.metrics, given.require, given.against, words)
    except RoundoffError as error:
        _write(f"### ⚠️ roundoff check: error\n\n```\n{error}\n```\n", given.md)
        raise
    counted: Outcome = given.undecided or "undecided"
    _show(gate, words)
    text = markdown_from_gate(gate, words)
    _write(text, given.md)
    if given.junit:
        write_text(given.junit, junit_from_gate(gate, counted))
    return STATUS[counted if gate.outcome == "undecided" else gate.outcome]


def _show(gate: Gate, words: Words) -> None:
    console = stdout_console()
    console.print(Text(title(gate, words), style=STYLES[gate.outcome]))
    for each in gate.worst_first:
        mark = (f"  {words(f'verdict_{each.outcome}'):<9}", STYLES[each.outcome])
        console.print(Text.assemble(mark, f"  {each.sentence}"))
    for note in gate.notes:
        console.print(Text(f"  {note}"))


def _write(text: str, file: Path | None) -> None:
    """Write the Markdown, and add it to the page of GitHub's job, where this is one."""
    if file:
        write_text(file, text)
    path = os.environ.get(SUMMARY)
    if not path:
        return
    try:
        append_plain(Path(path), printable(text).encode())
    except (OSError, DataError) as error:
        why = error.received if isinstance(error, DataError) else error.strerror
        raise RoundoffError(
            "the summary of the job cannot be written",
            received=f"{SUMMARY}={path} ({why})",
            expected="a plain file that can be appended to",
            fix=f"unset {SUMMARY}, or correct it",
        ) from None
