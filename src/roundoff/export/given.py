"""A graph that another tool has quantized, made fit for the dataset: uint8 images in, float32 logits out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from roundoff.dataset.base import Prepared
from roundoff.errors import ConfigError, DataError
from roundoff.model.taking.classes import class_names
from roundoff.model.taking.preprocessing import Preprocessing, preprocessing_of
from roundoff.precision.given import Given
from roundoff.results.checked import checked
from roundoff.training.trained import read_trained

SETTING = re.compile(r"\bmodel\.(path|scale|offset|mean|std|channel_order|classes|output|layout)\b")


@dataclass(frozen=True)
class Beside:
    """What a given graph is judged beside: images [*shape] of `classes`, and how the model's own file is fed.

    `named` are that file's answers, in their order, where it is another than the dataset's.
    """

    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    named: tuple[str, ...] | None = None


def beside(prepared: Prepared, trained: Path | None) -> Beside:
    """By the prepared images, and by the folder that train left, if it is here."""
    height, width, channels = prepared.split("test").images.shape[1:]
    told = read_trained(trained) if trained else None
    said = checked(Preprocessing, told.preprocessing, str(trained)) if told and told.preprocessing else Preprocessing()
    named = tuple(told.classes) if told and told.classes else None
    return Beside((height, width, channels), prepared.manifest.names, said, named)


def write_fit(given: Given, at: Beside, key: str, directory: Path) -> Path:
    """The graph in `directory`, under its own name; `key` is where the configuration describes it.

    Raises ConfigError or DataError where it is not quantized, not as `given` says, or not for the dataset.
    """
    path = Path(given.path)
    given.require_file(key)
    with _told_of(key):
        if path.suffix == ".tflite":
            from roundoff.export.given_tflite import fit_tflite

            content = fit_tflite(given, at, key)
        else:
            from roundoff.export.given_onnx import fit_onnx

            content = fit_onnx(given, at, key).SerializeToString(deterministic=True)
    written = directory / path.name
    written.write_bytes(content)
    return written


@contextmanager
def _told_of(key: str) -> Iterator[None]:
    """What is said of settings of `model` is said of those at `key`."""
    try:
        yield
    except (ConfigError, DataError) as error:
        words = (SETTING.sub(rf"{key}.\1", str(each)) for each in (error.received, error.expected, error.fix))
        received, expected, fix = words
        what = SETTING.sub(rf"{key}.\1", str(error.what))
        raise type(error)(what, received=received, expected=expected, fix=fix) from error


def fed(given: Given, at: Beside, pixels: bool) -> Preprocessing:
    """What stands before the graph: what `given` says, else nothing for one that takes `pixels`, else the model's."""
    said = (given.scale, given.offset, given.mean, given.std, given.channel_order)
    if all(each is None for each in said):
        return Preprocessing() if pixels else at.preprocessing
    scale, offset = (default if each is None else each for each, default in zip(said, (1.0, 0.0), strict=False))
    return preprocessing_of(scale, offset, given.mean, given.std, given.channel_order or "rgb")


def names(given: Given, at: Beside, own: bool) -> tuple[str, ...] | None:
    """What the graph's answers stand for: None for the dataset's order, which one made from `own` export has."""
    return class_names(given.classes) if given.classes is not None or own else at.named
