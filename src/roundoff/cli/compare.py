"""`roundoff compare`: several runs beside each other."""

from __future__ import annotations

import argparse
from pathlib import Path

from roundoff.cli.terminal.console import Commands, add_place, stdout_console
from roundoff.results.message import LANGUAGES, Words

FOLDER = "compare"  # below the folder of metrics


def add(commands: Commands) -> None:
    """The command `compare`."""
    parser = commands.add_parser(
        "compare",
        help="several experiments or machines beside each other",
        description="Puts runs beside each other: what ships on which machine, each cell in each run with verdicts and "
        "intervals, which cells a setting did not touch. Accuracies are compared where network and test images are the "
        "same, times within one run alone. Prints a table, and writes a page.",
        epilog="a folder stands for the run in it, or for the runs in its folders, such as results/h200",
    )
    parser.add_argument(
        "runs",
        nargs="*",
        metavar="EXP",
        help="a DVC experiment, a git revision, or a folder of results (default: every experiment of this commit)",
    )
    parser.add_argument(
        "--by",
        metavar="KEY",
        help="put runs into groups: machine, model, calibrate, or any key of params.yaml (default: what differs first)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help=f"where the page goes (default: {FOLDER}/ in the folder of metrics)"
    )
    parser.add_argument("--language", choices=LANGUAGES, help="of the page (default: report.language of params.yaml)")
    add_place(parser)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Compare, print, write the page and say where it is."""
    from roundoff.comparison.compared import Compared
    from roundoff.comparison.reading import language_of, read_runs
    from roundoff.comparison.sheet import Sheet
    from roundoff.comparison.terminal import show
    from roundoff.comparison.written import write

    compared = Compared(read_runs(given.project, given.metrics, given.runs), given.by)
    sheet = Sheet(compared, Words(given.language or language_of(given.project)))
    show(sheet, stdout_console())
    page = write(sheet, given.out or given.project / given.metrics / FOLDER)
    print(sheet.words("compare_tell_page", page=page))
    return 0
