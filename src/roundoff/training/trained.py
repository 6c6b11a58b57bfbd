"""What the train stage leaves: a folder with the model in its own form, and model.json, which says what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roundoff.errors import DataError
from roundoff.results.message import Message, message
from roundoff.system.files import read_json, write_json

DESCRIPTION = "model.json"
FORMAT_VERSION = 1
FORMS = ("keras", "onnx", "saved_model")


@dataclass(frozen=True)
class Trained:
    """A model as trained or taken: its `form`, the file or folder that holds it, and further `facts`."""

    form: str
    path: Path
    facts: Mapping[str, Any]


def describe(directory: Path, facts: Mapping[str, Any]) -> None:
    """Write what the model in `directory` is; `form` and `file` are among `facts`."""
    write_json(directory / DESCRIPTION, {"format": FORMAT_VERSION, **facts})


def read_trained(directory: Path) -> Trained:
    """The model in `directory`; DataError where the folder is not as the train stage leaves it."""
    path = directory / DESCRIPTION
    try:
        facts = read_json(path)
        if (facts["format"], facts["form"] in FORMS) != (FORMAT_VERSION, True):
            raise ValueError(f"format {facts['format']}, form {facts['form']}")
        file = directory / Path(str(facts["file"])).name
        if not file.exists():
            raise ValueError(f"no {file.name} beside it")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{directory} holds no trained model",
            received=f"{path}: {type(error).__name__}: {error}",
            expected=f"{DESCRIPTION} and the model that it names, as the train stage leaves them",
            fix="run it again: `dvc repro -f train`",
        ) from error
    return Trained(facts["form"], file, facts)


def keras_form(directory: Path | None) -> tuple[Path | None, Message]:
    """The model that LiteRT's converter can read, or None; and the words for a row where there is none."""
    if directory is None:
        return None, message("no_keras")
    trained = read_trained(directory)
    if trained.form == "onnx":
        return None, message("no_keras_but_onnx")
    return trained.path, message("no_keras")
