"""What the train stage leaves: a folder with the model in its own form, and model.json, which says what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from roundoff.errors import DataError
from roundoff.results.checked import as_json, checked
from roundoff.results.message import Message, message
from roundoff.system.files import read_json, sha256_of, write_json

if TYPE_CHECKING:
    from roundoff.model.base import Saved
    from roundoff.model.taking.preprocessing import Preprocessing

DESCRIPTION = "model.json"
FORMAT_VERSION = 1
FORMS = {"keras": "model.keras", "onnx": "model.onnx", "saved_model": "saved_model"}
"""The file or folder of each form."""


@dataclass(frozen=True, kw_only=True)
class Described:
    """What model.json says, as far as other stages read it; `sha256` is that of the file, or of the folder's files."""

    format: Literal[1]
    form: Literal["keras", "onnx", "saved_model"]
    file: str
    preprocessing: dict[str, Any] | None = None
    classes: list[str] | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Trained:
    """A model as trained or taken: its `form`, and the file or folder that holds it.

    `preprocessing` and `classes` are how one that was taken is fed, and what its file's answers stand for, as
    `describe` got them; None where it was trained here, or where nothing was said.
    """

    form: str
    path: Path
    preprocessing: Mapping[str, Any] | None = field(default=None, hash=False)
    classes: Sequence[str] | None = None


def describe(
    directory: Path, saved: Saved, preprocessing: Preprocessing | None = None, classes: Sequence[str] | None = None
) -> None:
    """Write what the model in `directory` is; `preprocessing` is that of one that was taken, not trained.

    `classes` are the names of the taken file's answers, in their order, where it has another than the dataset.
    """
    told = {"format": FORMAT_VERSION, **as_json(saved), "trained": preprocessing is None}
    told["sha256"] = sha256_of(directory / saved.file)
    taken = {"preprocessing": as_json(preprocessing)} if preprocessing else {}
    named = {"classes": list(classes)} if classes else {}
    write_json(directory / DESCRIPTION, told | taken | named)


def read_trained(directory: Path) -> Trained:
    """The model in `directory`; DataError where the folder is not as the train stage leaves it."""
    path = directory / DESCRIPTION
    try:
        told = checked(Described, read_json(path), str(path), complete=False)
    except (OSError, DataError) as error:
        raise _no_model(directory, str(error.received if isinstance(error, DataError) else error)) from error
    file = directory / FORMS[told.form]
    if wrong := _wrong(told, file):
        raise _no_model(directory, wrong)
    return Trained(told.form, file, told.preprocessing, told.classes)


def _wrong(told: Described, file: Path) -> str | None:
    """What keeps `file` from being what was told; None where it is."""
    if told.file != file.name:
        return f"{DESCRIPTION} of the form {told.form} that names the file {told.file!r}"
    if not (file.is_dir() if told.form == "saved_model" else file.is_file()):
        return f"no {file.name} beside {DESCRIPTION}"
    if told.sha256 is not None and sha256_of(file) != told.sha256:
        return f"{file.name} with another SHA-256 than the one in {DESCRIPTION}"
    return None


def _no_model(directory: Path, received: str) -> DataError:
    return DataError(
        f"{directory} holds no trained model",
        received=received,
        expected=f"{DESCRIPTION} and the model that it names, as the train stage leaves them",
        fix="run it again: `dvc repro -f train`",
    )


def keras_form(directory: Path | None) -> tuple[Path | None, Message]:
    """The model that LiteRT's converter can read, or None; and the words for a row where there is none."""
    if directory is None:
        return None, message("no_keras")
    trained = read_trained(directory)
    if trained.form == "onnx":
        return None, message("no_keras_but_onnx")
    return trained.path, message("no_keras")
