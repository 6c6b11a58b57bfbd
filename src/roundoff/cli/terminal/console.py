"""Where commands write: in colour on a terminal (unless NO_COLOR is set), plain elsewhere."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TypeAlias

from rich.console import Console

PLAIN_WIDTH = 80  # of a file or a pipe, which has none of its own; longer lines are not broken there
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


class _Console(Console):
    """Rich's console, which leaves a reader that is gone to the program."""

    def on_broken_pipe(self) -> None:
        raise


def stdout_console() -> Console:
    """Standard output."""
    terminal = sys.stdout.isatty()
    return _Console(width=None if terminal else PLAIN_WIDTH, highlight=False, soft_wrap=not terminal)


def add_place(parser: argparse.ArgumentParser) -> None:
    """The options that say which project, and which of its folders, a command reads."""
    parser.add_argument("--project", type=Path, default=Path(), metavar="PATH", help="the project (default: here)")
    parser.add_argument(
        "--metrics", default="metrics", metavar="FOLDER", help="folder of metrics (default: %(default)s)"
    )
