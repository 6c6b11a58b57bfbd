"""Whether a message that was read says what its sentence is made for: each value there, and of its kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from string import Formatter

from roundoff.results.message import VERBATIM, Message, Value, Words

NUMBERS = frozenset(
    (
        "batch",
        "classes",
        "conversions",
        "copy_ms",
        "count",
        "cv",
        "device_ms",
        "enqueue_ms",
        "enqueued_ms",
        "fewest",
        "high",
        "images",
        "low",
        "most",
        "needed",
        "one",
        "other",
        "p",
        "percent",
        "points",
        "present",
        "replay_ms",
        "rounds",
        "runs",
        "tensors",
        "total",
        "value",
        "wrong",
    )
)
"""Values by their names in messages that are numbers; all others are words, messages, or some of these in a list."""


def misfits(read: object, at: str = "") -> Iterator[str]:
    """What cannot be of the messages in a value that was read, at any depth, each with its place.

    A sentence of another version, which has a code or a value that this one does not know, may hold anything.
    """
    if isinstance(read, Message):
        yield from (f"{at}: {wrong}" for wrong in _of(read))
        yield from misfits(read.values, at)
    elif is_dataclass(read) and not isinstance(read, type):
        for each in fields(read):
            yield from misfits(getattr(read, each.name), f"{at}.{each.name}".lstrip("."))
    elif isinstance(read, Mapping):
        for name, value in read.items():
            yield from misfits(value, f"{at}.{name}".lstrip("."))
    elif isinstance(read, list | tuple):
        for number, value in enumerate(read):
            yield from misfits(value, f"{at}[{number}]")


def _of(said: Message) -> Iterator[str]:
    asked = _asked(said.code)
    if asked is None or said.values.keys() - asked:
        return
    for name in sorted(asked):
        if name not in said.values:
            yield f"{said.code} without {name}"
        elif not _fits(name, said.values[name]):
            yield f"{said.code} with {name} {said.values[name]!r}"


def _fits(name: str, value: Value) -> bool:
    if name in NUMBERS:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(value, list | tuple):
        return bool(value) and all(isinstance(each, str | Message) for each in value)
    return isinstance(value, str | Message)


@cache
def _asked(code: str) -> frozenset[str] | None:
    """The names of the values in a code's sentence; None of a code that the catalogue does not have."""
    if code == VERBATIM:
        return frozenset(["text"])
    sentence = Words("en").catalogue.get(code)
    return None if sentence is None else frozenset(name for _, name, _, _ in Formatter().parse(sentence) if name)
