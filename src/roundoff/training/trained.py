"""What the train stage leaves: a folder with the model in its own form, and model.json, which says what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roundoff.errors import DataError
from roundoff.results.checked import as_json
from roundoff.results.message import Message, message
from roundoff.system.files import read_json, write_json

if TYPE_CHECKING:
    from roundoff.model.base import Saved
    from roundoff.model.taking.preprocessing import Preprocessing

DESCRIPTION = "model.json"
FORMAT_VERSION = 1
FORMS = ("keras", "onnx", "saved_model")


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
    taken = {"preprocessing": as_json(preprocessing)} if preprocessing else {}
    named = {"classes": list(classes)} if classes else {}
    write_json(directory / DESCRIPTION, told | taken | named)


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
    return Trained(facts["form"], file, facts.get("preprocessing"), facts.get("classes"))


def keras_form(directory: Path | None) -> tuple[Path | None, Message]:
    """The model that LiteRT's converter can read, or None; and the words for a row where there is none."""
    if directory is None:
        return None, message("no_keras")
    trained = read_trained(directory)
    if trained.form == "onnx":
        return None, message("no_keras_but_onnx")
    return trained.path, message("no_keras")
