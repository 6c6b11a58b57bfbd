"""Which of a foreign model's answers stands for which class of the dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from roundoff.errors import ConfigError, DataError
from roundoff.model.taking.settings import setting


def check_classes(setting: Any) -> None:
    """ConfigError unless `model.classes` is null, a list of names or the path of a file; no file is read."""
    is_list = isinstance(setting, list | tuple) and all(_is_name(name) for name in setting)
    if setting is None or (setting and (is_list or isinstance(setting, str))):
        return
    raise ConfigError(
        f"{setting('classes')} names no classes",
        received=repr(setting),
        expected="a list of names in the order of the model's answers, or a text file with one name a line",
        fix=f"write {setting('classes')}=[cat,dog], say, or set it to null where the model's order is the dataset's",
    )


def _is_name(name: Any) -> bool:
    return isinstance(name, str | int) and not isinstance(name, bool) and name != ""


def class_names(setting: Any) -> tuple[str, ...] | None:
    """The names in `model.classes`: a list, or a text file with one a line; None where there is no such setting."""
    if setting is None:
        return None
    return tuple(_lines(Path(setting)) if isinstance(setting, str) else map(str, setting))


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{setting('classes')} names a file that cannot be read",
            received=f"{path}: {error}",
            expected="a text file in UTF-8, one name a line, in the order of the model's answers",
            fix=f"set {setting('classes')}=PATH, absolute, since experiments run in a copy of the project",
        ) from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def columns(answers: int, classes: Sequence[str], named: Sequence[str] | None) -> tuple[int, ...]:
    """For each of the dataset's `classes` the place of its answer, among `answers` that are `named` so.

    Raises DataError where there are not as many, ConfigError where a name is missing or stands twice.
    """
    if named is None:
        if answers != len(classes):
            raise _other_number(answers, classes)
        return tuple(range(answers))
    if len(named) != answers:
        raise ConfigError(
            f"{setting('classes')} does not name each of the model's answers",
            received=f"{len(named)} names for {answers} answers",
            expected=f"{answers} names, in the order of the answers",
            fix=f"complete {setting('classes')}; what is no class of the dataset, such as a background class, "
            "is named too",
        )
    times = Counter(named)
    wrong = [name for name in classes if times[name] != 1]
    if wrong:
        raise ConfigError(
            f"{setting('classes')} lacks a class of the dataset, or names it twice",
            received=f"{', '.join(f'{name} {times[name]} times' for name in wrong[:5])}; it names {_some(named)}",
            expected=f"each class of the dataset once: {_some(classes)}",
            fix=f"call classes alike in {setting('classes')} and in the dataset",
        )
    return tuple(list(named).index(name) for name in classes)


def _other_number(answers: int, classes: Sequence[str]) -> DataError:
    background = answers == len(classes) + 1
    why = ", one of which may be a background class" if background else ""
    return DataError(
        "The model has another number of classes than the dataset",
        received=f"{answers} answers{why}",
        expected=f"{len(classes)}: {_some(classes)}",
        fix=f"name what each answer stands for, in order, by {setting('classes')} (a list, or a text file with one "
        "name a line): answers for what the dataset lacks are left out. Or give the dataset that the model was "
        "trained on",
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (f", … ({len(names)} in all)" if len(names) > 10 else "")
