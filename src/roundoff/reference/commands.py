"""The page of all commands, from the command line's own parsers and the Makefile."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from roundoff.cli.program import program

OPENING = """\
# Commands

`python -m roundoff.reference docs` makes this page of the command line and of the Makefile. `roundoff COMMAND --help`
says the same in a terminal.
"""
MAKE = "## make\n\n| command | what it does |\n| --- | --- |"
TARGET = re.compile(r"^([a-z-]+):.*?## (.+)$", re.MULTILINE)
HEAD = ["| argument | meaning |", "| --- | --- |"]


def commands_page(makefile: str) -> str:
    """The page as Markdown: `roundoff`, its commands, and the targets of the Makefile that have a description."""
    parser = program()
    parts = [OPENING.rstrip(), _command("roundoff", parser)]
    parts += [_command(f"roundoff {name}", each) for name, each in _subparsers(parser)]
    targets = [f"| `make {name}` | {text} |" for name, text in TARGET.findall(makefile)]
    return "\n\n".join([*parts, "\n".join([MAKE, *targets])]) + "\n"


def _subparsers(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def _command(name: str, parser: argparse.ArgumentParser) -> str:
    rows = list(filter(None, (_row(parser, action) for action in parser._actions)))
    parts = [f"## {name}", parser.description or ""]
    parts += ["\n".join([*HEAD, *rows])] if rows else []
    parts += [f"{parser.epilog[0].upper()}{parser.epilog[1:]}."] if parser.epilog else []
    return "\n\n".join(parts)


def _row(parser: argparse.ArgumentParser, action: argparse.Action) -> str | None:
    """An argument's row; None for the list of commands, each of which has a heading, and for --help.

    No | stands in it: in code in a table, GitHub and Python-Markdown write it in two ways.
    """
    if isinstance(action, argparse._SubParsersAction | argparse._HelpAction):
        return None
    meaning = (action.help or "") % {**vars(action), "prog": parser.prog}
    choices = f" {{{','.join(action.choices)}}}" if action.choices else ""
    metavar = str(action.metavar or action.dest).replace(" | ", " or ")
    value = f" {metavar}" if action.metavar and action.option_strings else choices
    name = ", ".join(action.option_strings) or metavar
    optional = f"[{name}]" if action.nargs in ("?", "*") and not action.option_strings else name
    return f"| `{optional}{value}` | {meaning} |"
