"""Text that can be printed and written as UTF-8, whatever bytes a name has."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""The text with an escape, as \udcff, for each half of a character: a byte that is no UTF-8 is one to Python."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
