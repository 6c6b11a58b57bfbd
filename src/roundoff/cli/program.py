"""The program: its commands, its exit codes, and what it says of errors."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from io import TextIOWrapper

from roundoff.cli import check, collect, compare, diff, doctor, plan, report, run, ship, verify
from roundoff.cli.terminal.completion import add_completion
from roundoff.errors import RoundoffError
from roundoff.pipeline.survival import open_streams
from roundoff.system.refusal import in_words

COMMANDS = (run, plan, report, check, diff, compare, collect, ship, verify, doctor)
ERROR = 2  # as argparse has it
# What a shell reports of a program that ends as its reader does (128 + SIGPIPE).
READER_GONE = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: the command's own, 2 for an error, 141 where the reader left."""
    open_streams()
    for stream in (sys.stdout, sys.stderr):
        _let_escape(stream)
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The interpreter flushes once more as it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE
    return status


def _let_escape(stream: object) -> None:
    """Let a stream write escapes for what its encoding has not: a name that is no UTF-8, an arrow in ASCII."""
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")


def _run(arguments: Sequence[str] | None) -> int:
    parser = program()
    given = parser.parse_args(arguments)
    if given.command is None:
        parser.print_help()
        return 0
    try:
        status: int = given.run(given)
    except (RoundoffError, OSError, MemoryError) as error:
        if said := in_words(error):
            print(f"error: {said}", file=sys.stderr)
            return ERROR
        raise
    return status


def program() -> argparse.ArgumentParser:
    """The parser of the whole command line; each command puts its function at `run`."""
    parser = argparse.ArgumentParser(prog="roundoff", description="Which precision do I ship?")
    parser.add_argument("--version", action="version", version=f"roundoff {_version()}")
    add_completion(parser)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser


def _version() -> str:
    try:
        return version("roundoff")
    except PackageNotFoundError:  # from its folder alone, on PYTHONPATH
        return "(not installed)"
