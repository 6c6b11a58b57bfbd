"""Hostile contents made of good ones: of JSON, of text and of bytes; and a run's files with one of them replaced."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from numpy.random import Generator

from benchmarks.hostile.case import Case, same
from roundoff.pipeline.stage import Workspace

Content = bytes | None
"""What a file holds; None: there is no such file."""
Anything = Content | Callable[[Path], object]
"""The same, or what makes something else than a file in its place."""
Tampered = tuple[str, Content]
Key = str | int
HUGE = "@1e400@"  # a number that JSON can write and no float can hold
WRONG: dict[type, tuple[Any, ...]] = {
    bool: ("text", 3, [], {}),
    int: ("text", [], {}, float("nan"), HUGE),
    float: ("text", [], {}, float("nan"), float("inf"), HUGE),  # null may stand where there is no figure
    str: (5, [], {}, True, None),
    list: ({}, "text", 3, None),
    dict: ([], "text", 3, None),
}


def mirrored(project: Path, folder: Path) -> Path:
    """The files of `project` in `folder`, as links in folders of their own."""
    for at, names, files in os.walk(project):
        inside = folder / Path(at).relative_to(project)
        for name in names:
            (inside / name).mkdir()
        for name in files:
            (inside / name).symlink_to(Path(at) / name)
    return folder


def replaced(folder: Path, file: str, content: Anything) -> None:
    """Put `content` in the place of a file of a mirrored run."""
    path = folder / file
    path.unlink(missing_ok=True)
    if content is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        content(path)


def found(folder: Path, file: str) -> Path:
    """A file of a run as a stage looks it up: there, or refused."""
    return Workspace(folder, folder).input(file)


def tampered_cases(
    project: Path, file: str, contents: Iterator[Tampered], use: Callable[[Path], object], untouched: object
) -> Iterator[Case]:
    """A case for each content of `file`: `use` on the run that holds it gives what it gave `untouched`, or refuses."""
    for how, content in contents:
        yield Case(file, how, partial(_used, project, file, content, use), same(untouched))


def _used(project: Path, file: str, content: Content, use: Callable[[Path], object], folder: Path) -> object:
    mirrored(project, folder)
    replaced(folder, file, content)
    return use(folder)


def broken_json(good: bytes, random: Generator, cuts: int = 4) -> Iterator[Tampered]:
    """What is no JSON, or none that a stage writes."""
    for at in sorted(random.integers(1, max(2, len(good) - 2), cuts)):
        yield f"cut after {at} of {len(good)} bytes", good[: int(at)]
    yield "empty", b""
    yield "missing", None
    yield "null", b"null"
    yield "a list", b"[]"
    yield "a text", b'"text"'
    yield "a number", b"7"
    yield "an empty object", b"{}"
    yield "100,000 brackets", b"[" * 100_000
    yield "a digit 5,000 times", b'{"format": ' + b"9" * 5000 + b"}"
    yield "UTF-16", good.decode("utf-8").encode("utf-16")
    yield "no UTF-8", good.replace(b'"', b'"\xff\xfe', 1)
    yield "zeros", bytes(len(good))
    yield "words behind the end", good + b"and so on"
    yield "a lone surrogate", good.replace(b'": "', b'": "\\ud800', 1)
    first = good.index(b"{") + 1
    key = good[first:].split(b":")[0].strip()
    yield "one key twice", good[:first] + key + b": 0," + good[first:]


def wrong_values(content: Any, random: Generator, count: int, below: Sequence[Key] = ()) -> Iterator[Tampered]:
    """`count` times one value, drawn from all below a place, of another kind, no number, or not there."""
    places = [place for place in _places(content, ()) if list(place[: len(below)]) == list(below)]
    for index in random.permutation(len(places))[:count]:
        place = places[int(index)]
        wrong = (*WRONG.get(type(_at(content, place)), ()), "gone") if place else ()
        if wrong:
            yield changed(content, place, wrong[int(random.integers(len(wrong)))])


def changed(content: Any, place: Sequence[Key], value: Any) -> Tampered:
    """The document with another value at a place; "gone": without it."""
    other = copy.deepcopy(content)
    owner = _at(other, place[:-1])
    if value == "gone":
        del owner[place[-1]]
    else:
        owner[place[-1]] = value
    shown = "gone" if value == "gone" else json.dumps(value, ensure_ascii=False)[:40].replace(f'"{HUGE}"', "1e400")
    return f"{'.'.join(map(str, place))}: {shown}", as_bytes(other)


def as_bytes(content: Any) -> bytes:
    """JSON as Python writes it, NaN and numbers out of range among it."""
    return json.dumps(content, indent=2, ensure_ascii=False).replace(f'"{HUGE}"', "1e400").encode()


def broken_bytes(good: bytes, random: Generator, cuts: int = 4, flips: int = 6) -> Iterator[Tampered]:
    """A file cut short, emptied, or with some of its bits turned."""
    for at in sorted(random.integers(1, max(2, len(good) - 1), cuts)):
        yield f"cut after {at} of {len(good)} bytes", good[: int(at)]
    yield "empty", b""
    yield "missing", None
    yield "zeros", bytes(len(good))
    yield "a text", b"this is no such file\n" * 20
    yield "twice", good + good
    for _ in range(flips):
        at = int(random.integers(len(good)))
        yield (
            f"a bit turned in byte {at}",
            good[:at] + bytes([good[at] ^ (1 << int(random.integers(8)))]) + good[at + 1 :],
        )


def _places(content: Any, at: tuple[Key, ...]) -> Iterator[tuple[Key, ...]]:
    yield at
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield from _places(value, (*at, key))


def _at(content: Any, place: Sequence[Key]) -> Any:
    for key in place:
        content = content[key]
    return content
