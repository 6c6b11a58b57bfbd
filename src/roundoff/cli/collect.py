"""`roundoff collect`: results of another machine as a DVC experiment."""

from __future__ import annotations

import argparse
from pathlib import Path

from roundoff.cli.terminal.console import Commands, add_place


def add(commands: Commands) -> None:
    """The command `collect`."""
    parser = commands.add_parser(
        "collect",
        help="take the results of another machine into a DVC experiment",
        description="Reads the results in DIR (metrics/ and platform.json, or the files of metrics/ themselves), and "
        "makes an experiment of the commit that is checked out, named after the machine's fingerprint. Your files stay "
        "as they are.",
        epilog="results that are there already are left alone",
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="the folder of results")
    parser.add_argument("-n", "--name", metavar="NAME", help="the experiment's name (default: the fingerprint's id)")
    parser.add_argument("-f", "--force", action="store_true", help="replace an experiment of that name")
    add_place(parser)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Take the results in, and say what they are."""
    from roundoff.comparison.collecting.collect import collect

    found = collect(given.project, given.metrics, given.directory, given.name, given.force)
    what = "collected" if found.is_new else "there already"
    measured = sum(cell.measured for cell in found.run.metrics.cells.values())
    print(f"{what}: {found.name}, {measured} cells, ships {found.run.ships or 'nothing'}")
    return 0
