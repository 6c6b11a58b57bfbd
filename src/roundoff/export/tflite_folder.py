"""The folder that export leaves for LiteRT: the float model that its builds start from, or why there is none."""

from __future__ import annotations

from pathlib import Path

from roundoff.errors import DataError
from roundoff.results.checked import checked
from roundoff.results.message import Message, message
from roundoff.system.files import read_json

MODEL = "model.tflite"
WHY_NONE = "none.json"


def float_tflite(folder: Path | None) -> tuple[Path | None, Message]:
    """The float model in the folder, or None; and the words for a row where there is none.

    Raises DataError for a folder that holds neither a model nor a reason.
    """
    if folder is None:
        return None, message("no_tflite")
    if (folder / MODEL).is_file():
        return folder / MODEL, message("no_tflite")
    if not (folder / WHY_NONE).is_file():
        raise DataError(
            f"{folder} holds no float model for LiteRT, and no reason why there is none",
            received=", ".join(sorted(path.name for path in folder.iterdir())) or "an empty folder",
            expected=f"{MODEL} or {WHY_NONE}, as the export stage leaves them",
            fix="run it again: `dvc repro -f export`",
        )
    return None, checked(Message, read_json(folder / WHY_NONE), str(folder / WHY_NONE))
