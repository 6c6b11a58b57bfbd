"""A user's table of the test images, a column for each way to slice them, put into the order of the test split."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from roundoff.dataset.base import OpenDataset
from roundoff.errors import DataError
from roundoff.results.slices import CLASS
from roundoff.system.plain_files import read_plain

KEY = "image"
PLACE = "test_image"
MOST_COLUMNS = 20
MOST_VALUES = 1000
SHOWN = 5


def sliced(path: Path | None, opened: OpenDataset) -> str:
    """The table at `path` as CSV, a row for each test image in the split's order; without a path its head alone.

    The first column of what is returned is `test_image`, the image's index. In the table itself the column `image` has
    the image's name where the dataset has names (CLASS/FILE, or FILE where that is one image's alone), else its index
    from 0. An empty value belongs to no slice. Raises DataError.
    """
    if path is None:
        return f"{PLACE}\n"
    rows = _rows(path)
    columns = [name for name in rows[0] if name != KEY]
    _require_columns(path, rows, columns)
    placed = _placed(path, [row[KEY] for row in rows], opened)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([PLACE, *columns])
    writer.writerows([index, *(rows[place][name] for name in columns)] for index, place in enumerate(placed))
    return text.getvalue()


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        text = read_plain(path).decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""), restval=None, strict=True)
        rows, names = list(reader), list(reader.fieldnames or [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _refusal(path, f"{type(error).__name__}: {error}", "a CSV file in UTF-8, its columns named") from None
    if KEY not in names or len(set(names)) != len(names) or not rows:
        expected = f"a column {KEY}, a column for each way to slice, and a row for each test image"
        raise _refusal(path, f"columns {', '.join(names) or 'none'}, {len(rows)} rows", expected)
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise _refusal(path, f"row {number} has another number of fields", f"{len(names)} fields")
    return rows


def _require_columns(path: Path, rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> None:
    if not 1 <= len(columns) <= MOST_COLUMNS or CLASS in columns or not all(name.strip() for name in columns):
        expected = f"1 to {MOST_COLUMNS} columns beside {KEY}, none of them {CLASS}: that one is there anyway"
        raise _refusal(path, f"columns {', '.join(columns) or 'none'}", expected)
    for name in columns:
        values = len({row[name] for row in rows})
        if values > MOST_VALUES:
            expected = f"at most {MOST_VALUES}, so that a slice has images; put numbers into ranges, such as 10-20"
            raise _refusal(path, f"{values} values in the column {name}", expected)


def _placed(path: Path, keys: Sequence[str], opened: OpenDataset) -> list[int]:
    """For each test image the row that is about it."""
    count, names = opened.count("test"), opened.names("test")
    indices = _by_name(names) if names is not None else {str(index): index for index in range(count)}
    known = "names, CLASS/FILE" if names is not None else f"indices from 0 to {count - 1}"
    if unknown := [key for key in keys if key not in indices]:
        raise _refusal(path, f"no test image {_few(unknown)}", f"the test images' {known}")
    found: dict[int, int] = {}
    for row, key in enumerate(keys):
        if indices[key] in found:
            raise _refusal(path, f"two rows of {key}", "one row for each test image")
        found[indices[key]] = row
    if missing := [index for index in range(count) if index not in found]:
        named = [names[index] if names is not None else str(index) for index in missing]
        raise _refusal(path, f"no row of {_few(named)}", f"one row for each of the {count} test images")
    return [found[index] for index in range(count)]


def _by_name(names: Sequence[str]) -> dict[str, int]:
    """Places by CLASS/FILE, and by FILE where no other image is called so."""
    files = [name.rpartition("/")[2] for name in names]
    short = {file: index for index, file in enumerate(files)}
    twice = {file for index, file in enumerate(files) if short[file] != index}
    return {file: index for file, index in short.items() if file not in twice} | {
        name: index for index, name in enumerate(names)
    }


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _refusal(path: Path, received: str, expected: str) -> DataError:
    return DataError(
        f"prepare.slices {path} cannot be read as a table of the test images",
        received=received,
        expected=expected,
        fix="correct the file, or set prepare.slices=null",
    )
