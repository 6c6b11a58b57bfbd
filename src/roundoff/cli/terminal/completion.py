"""Completion for shells: `roundoff --print-completion bash`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

SHELLS = ("bash", "zsh", "tcsh")


class _Print(argparse.Action):
    """Prints the script for a shell, and ends."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        _: argparse.Namespace,
        shell: str | Sequence[Any] | None,
        __: object = None,
    ) -> None:
        import shtab

        print(shtab.complete(parser, shell=str(shell)))
        parser.exit(0)


def add_completion(parser: argparse.ArgumentParser) -> None:
    """The option that prints a shell's script."""
    parser.add_argument(
        "--print-completion",
        choices=SHELLS,
        action=_Print,
        help="print a script that completes commands and options, to be sourced by the shell",
    )
