"""What a graph that another tool has quantized is judged beside: how it is fed, and what its answers stand for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from roundoff.dataset.base import Prepared
from roundoff.model.taking.classes import class_names
from roundoff.model.taking.preprocessing import Preprocessing, preprocessing_of
from roundoff.precision.given import Given
from roundoff.results.checked import checked
from roundoff.training.trained import read_trained


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
