"""What a library's exception says, in one line."""

from __future__ import annotations

import re

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
PLACE = re.compile(r"\{\{.*?\}\} ?")  # TensorFlow's, of an operator in no graph that a user has
CALLED = re.compile(r"Exception encountered when calling (\w+)\.call\(\)\.")
INNER = "Exception encountered: "
MODELS = ("Functional", "Sequential")


def said(error: Exception) -> str:
    """The exception's type and the line that tells: of one that Keras wrapped, the kind of layer and the cause."""
    return f"{type(error).__name__}: {telling(str(error))}"


def telling(text: str) -> str:
    """The line of an exception's `text` that tells; without colours, and without what was passed to whom."""
    innermost = COLOURS.sub("", text).rpartition(INNER)[2]
    lines = [line.strip() for line in innermost.splitlines() if line.strip()] or ["no message"]
    called = CALLED.fullmatch(lines[0])
    if called is None or len(lines) == 1:
        return lines[0]
    kind = "" if called[1] in MODELS else f"{called[1]}: "
    return kind + PLACE.sub("", lines[1])
