"""The folder that export leaves for LiteRT: the float model that its builds start from, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from roundoff.errors import DataError
from roundoff.results.checked import as_json, checked
from roundoff.results.message import Message, message
from roundoff.system.files import read_json, sha256_of, write_json

MODEL = "model.tflite"
WHY_NONE = "none.json"
DESCRIPTION = "model.json"


@dataclass(frozen=True, kw_only=True)
class Described:
    """What stands beside the float model: the SHA-256 of its file."""

    sha256: str


def describe(folder: Path) -> None:
    """Write what the model in the folder is."""
    write_json(folder / DESCRIPTION, as_json(Described(sha256=sha256_of(folder / MODEL))))


def float_tflite(folder: Path | None) -> tuple[Path | None, Message]:
    """The float model in the folder, or None; and the words for a row where there is none.

    Raises DataError for a folder that holds neither a model nor a reason, or another model than export wrote.
    """
    if folder is None:
        return None, message("no_tflite")
    if (folder / MODEL).is_file():
        _require_described(folder)
        return folder / MODEL, message("no_tflite")
    if not (folder / WHY_NONE).is_file():
        raise DataError(
            f"{folder} holds no float model for LiteRT, and no reason why there is none",
            received=", ".join(sorted(path.name for path in folder.iterdir())) or "an empty folder",
            expected=f"{MODEL} or {WHY_NONE}, as the export stage leaves them",
            fix="run it again: `dvc repro -f export`",
        )
    return None, checked(Message, read_json(folder / WHY_NONE), str(folder / WHY_NONE))


def _require_described(folder: Path) -> None:
    """DataError where the model is not the one that is described; a folder of before has no description."""
    path = folder / DESCRIPTION
    if not path.is_file():
        return
    told = checked(Described, read_json(path), str(path))
    if sha256_of(folder / MODEL) != told.sha256:
        raise DataError(
            f"{folder / MODEL} is not the float model that export wrote",
            received=f"another SHA-256 than the {told.sha256} in {DESCRIPTION}",
            expected="both as the export stage leaves them",
            fix="run it again: `dvc repro -f export`",
        )
