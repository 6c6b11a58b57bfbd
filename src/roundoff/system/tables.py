"""CSV files that stages hand on: a heading, and rows of it, or refused in words."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from roundoff.system.arrays import unreadable
from roundoff.system.plain_files import read_plain

Rows = list[dict[str, str]]


def read_table(path: Path | None, stage: str, needed: Sequence[str] = ()) -> Rows:
    """The rows of a CSV file with the columns `needed` and others, each complete; none where there is no file.

    Raises DataError, which names `stage` as the one that writes it.
    """
    if path is None or not path.exists():
        return []
    try:
        reader = csv.DictReader(io.StringIO(read_plain(path).decode("utf-8"), newline=""), strict=True)
        rows, names = list(reader), list(reader.fieldnames or ())
    except (csv.Error, ValueError, OSError) as error:
        raise unreadable(path, f"{type(error).__name__}: {error}", "CSV in UTF-8", stage) from error
    sound = names and {*needed} <= {*names} and len({*names}) == len(names)
    if not sound or not all(_complete(row, names) for row in rows):
        raise unreadable(path, f"the columns {names}, or a row without them", "a heading, and rows of it", stage)
    return rows


def _complete(row: Mapping[object, object], names: Sequence[str]) -> bool:
    return list(row) == list(names) and None not in row.values()
