"""Files with a format number: what a newer version of roundoff wrote is refused, and not half understood."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from roundoff.errors import DataError
from roundoff.system.files import read_json


def require_known(name: str, version: object, known: Sequence[int], before: str = "") -> None:
    """Raise DataError, which names the file, unless its format is `known`; `before`: what else is read, in words."""
    if type(version) is not int or version not in known:
        raise DataError(
            f"{name} has a format that this version of roundoff does not know",
            received="no format" if version is None else f"format {version}",
            expected=f"format {', '.join(map(str, known))}{before}",
            fix="install the version of roundoff that wrote it, or a newer one",
        )


def read_of_format(path: Path, known: int) -> object:
    """The JSON in the file without its format number; raises DataError for a file of another format, or of none."""
    content = read_json(path)
    if not isinstance(content, dict):
        return content  # which whoever reads it refuses
    require_known(str(path), content.get("format"), [known])
    return {key: value for key, value in content.items() if key != "format"}
