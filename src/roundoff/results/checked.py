"""Parsed JSON made into the dataclasses of this package, checked; and back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import msgspec

from roundoff.errors import DataError
from roundoff.results.fitting import misfits

T = TypeVar("T")
SIZED = re.compile("batch_[1-9][0-9]{0,8}")
BATCH = "batch_"  # objects of a batch size stand beside their owner's other keys, as batch_N
REMEDY = "write it anew with the stage that makes it (`dvc repro -f STAGE`), or restore it (`git checkout`, `dvc pull`)"


def checked(kind: type[T], content: object, where: str, complete: bool = True, batches: bool = True) -> T:
    """`content` as a `kind`; raises DataError, which names file and field, for what is missing or impossible.

    Without `complete` keys may be missing: files of before had fewer. Without `batches` a key batch_N is one like any
    other.
    """
    try:
        value = msgspec.convert(_gathered(content) if batches else content, kind)
    except msgspec.ValidationError as error:
        raise DataError(
            f"{where} holds what cannot be", received=str(error), expected=f"a {kind.__name__}", fix=REMEDY
        ) from error
    if complete and (wrong := next(misfits(value), None)):
        raise DataError(f"{where} holds what cannot be", received=wrong, expected="values that fit", fix=REMEDY)
    absent = next(_absent(as_json(value), content), None) if complete else None
    if absent is not None:
        raise DataError(f"{where} lacks a key", received=f"no {absent}", expected=f"a {kind.__name__}", fix=REMEDY)
    return value


def as_json(result: object) -> Any:
    """What stands in a file for one of the dataclasses, or for a dictionary of them; nulls are kept."""
    if is_dataclass(result) and not isinstance(result, type):
        held = {each.name: as_json(getattr(result, each.name)) for each in fields(result)}
        batches = held.pop("batches", {})
        return held | {f"{BATCH}{size}": batch for size, batch in batches.items()}
    if isinstance(result, dict):
        return {key: as_json(value) for key, value in result.items()}
    if isinstance(result, list | tuple):
        return [as_json(value) for value in result]
    return result


def _gathered(content: object) -> object:
    if isinstance(content, list):
        return [_gathered(value) for value in content]
    if not isinstance(content, dict):
        return content
    batches = {key: value for key, value in content.items() if _is_batch(key)}
    held = {key: _gathered(value) for key, value in content.items() if key not in batches}
    sizes = {int(key.removeprefix(BATCH)): _gathered(value) for key, value in batches.items()}
    return held | {"batches": sizes} if sizes else held


def _is_batch(key: object) -> bool:
    return isinstance(key, str) and SIZED.fullmatch(key) is not None


def _absent(expected: object, content: object, path: str = "") -> Iterator[str]:
    """Keys that the whole has and the content has not."""
    if isinstance(expected, dict) and isinstance(content, dict):
        for key, value in expected.items():
            here = f"{path}.{key}" if path else str(key)
            if key not in content:
                yield here
            else:
                yield from _absent(value, content[key], here)
    elif isinstance(expected, list) and isinstance(content, list):
        for number, (value, other) in enumerate(zip(expected, content, strict=False)):
            yield from _absent(value, other, f"{path}[{number}]")
