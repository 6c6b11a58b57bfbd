"""One hostile input, and what became of it: refused in words, accepted rightly, a traceback, or wrong."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from roundoff.errors import RoundoffError, Unavailable

Outcome = Literal["refused", "accepted", "traceback", "wrong"]
OUTCOMES: tuple[Outcome, ...] = ("refused", "accepted", "traceback", "wrong")
LONGEST = 400  # characters of an outcome's words


class Lost(Exception):  # noqa: N818 - not an error of the program, but what a case found
    """A file is gone, or another's figures stand where the untouched run's did: the outcome is `wrong`."""


def never(_: object) -> bool:
    """For what must be refused: whatever comes back is wrong."""
    return False


@dataclass(frozen=True)
class Case:
    """A file or setting, what was done to it, and what a stage does with it.

    `attempt` gets an empty folder of its own, and may change nothing outside of it. What it returns is judged by
    `right`: whether it is what the untouched run gives.
    """

    file: str
    how: str
    attempt: Callable[[Path], object]
    right: Callable[[Any], bool] = never


@dataclass(frozen=True)
class Tried:
    """What became of a case, and the program's words."""

    outcome: Outcome
    words: str


def tried(case: Case, folder: Path) -> Tried:
    """Try a case in `folder`, and judge it."""
    try:
        returned = case.attempt(folder)
        right = case.right(returned)
    except Lost as lost:
        return Tried("wrong", _short(str(lost)))
    except SystemExit as ended:  # as a stage ends
        said = str(ended.code)
        return Tried("refused" if said.startswith("error: ") and "fix:" in said else "traceback", _short(said))
    except Exception as error:
        return _raised(error)
    return Tried("accepted", "") if right else Tried("wrong", _short(f"accepted: {_shown(returned)}"))


def same(untouched: object) -> Callable[[object], bool]:
    """Whether a value is the untouched run's: equal, arrays by type and content, NaN being NaN."""
    return lambda value: equal(value, untouched)


def equal(one: object, other: object) -> bool:
    """Equality that knows arrays and NaN, at any depth."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        one, other = np.asarray(one), np.asarray(other)
        numbers = one.dtype.kind == "f"
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=numbers)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


def _raised(error: Exception) -> Tried:
    if isinstance(error, Unavailable) and error.args and str(error.args[0]).strip():
        return Tried("refused", _short(str(error.args[0])))
    if isinstance(error, RoundoffError):
        parts = (error.what, error.received, error.expected, error.fix)
        complete = all(str(part).strip() for part in parts)
        return Tried("refused" if complete else "traceback", _short(" | ".join(map(str, parts))))
    where = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(where.filename).name}:{where.lineno}"
    return Tried("traceback", _short(f"{type(error).__name__}: {error} ({place})"))


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:
        return f"a {type(value).__name__} that cannot be shown ({type(error).__name__})"


def _short(words: str) -> str:
    line = " ".join(words.encode("utf-8", "backslashreplace").decode().split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"
