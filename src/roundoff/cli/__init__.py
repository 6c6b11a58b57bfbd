"""The command `roundoff`: one file per command, each of which says how it is called and does it."""

from roundoff.cli.program import main

__all__ = ["main"]
