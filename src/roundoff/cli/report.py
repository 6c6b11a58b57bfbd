"""`roundoff report`: the page of the last run."""

from __future__ import annotations

import argparse
import os
import sys
import webbrowser

from roundoff.cli.terminal.console import Commands, add_place
from roundoff.errors import DataError

SHOWS = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")  # on Linux, what says that there is a browser to open it in


def add(commands: Commands) -> None:
    """The command `report`."""
    parser = commands.add_parser(
        "report", help="open the page of the last run", description="Opens metrics/report.html."
    )
    parser.add_argument("--no-open", action="store_true", help="only print where it is")
    add_place(parser)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Print where the page is, and open it where there is a browser."""
    page = (given.project / given.metrics / "report.html").resolve()
    if not page.is_file():
        raise DataError(
            "there is no report yet",
            received=f"no file {page}",
            expected="the page that the report stage writes",
            fix="run the pipeline: `roundoff run`",
        )
    print(page, flush=True)
    if not given.no_open and (sys.platform != "linux" or any(map(os.environ.get, SHOWS))):
        webbrowser.open(page.as_uri())
    return 0
