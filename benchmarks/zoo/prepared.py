"""The images that the zoo is tried on: a part of the zip, at each size, with calibration images of each draw."""

from __future__ import annotations

import os
import zipfile
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from benchmarks.zoo.trained import CLASSES
from roundoff.dataset.base import Prepared
from roundoff.dataset.image_folder import ImageFolder
from roundoff.dataset.preparing.prepare import Preparation
from roundoff.dataset.preparing.stratified import stratified_indices
from roundoff.results.checked import as_json
from roundoff.system.files import write_json

TRAINING_IMAGES, POOL = 5000, 2048
"""Of the training split, for calibration and what is chosen by it; of these, how many calibration may draw from."""


def fewer(archive: Path, target: Path, train: int, test: int) -> Path:
    """A zip of the first images of each class, `train` and `test` in all: the zoo is tried on a part of them."""
    if target.exists():
        return target
    limits, seen = {"train": train // CLASSES, "test": test // CLASSES}, defaultdict[str, int](int)
    partial = target.with_suffix(".partial")
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(partial, "w") as copy:
        for name in sorted(name for name in source.namelist() if not name.endswith("/")):
            split, folder = name.split("/")[0], name.rpartition("/")[0]
            seen[folder] += 1
            if seen[folder] <= limits[split]:
                copy.writestr(name, source.read(name))
    partial.rename(target)
    return target


def prepare(archive: Path, folder: Path, size: int) -> Path:
    """The images at one size, prepared as `stages/prepare.py` does it."""
    if not folder.exists():
        Preparation(seed=0, calibration_pool=POOL).run(ImageFolder(str(archive), size), folder)
    return folder


def draw(prepared: Path, target: Path, number: int) -> None:
    """The same images with calibration images of another draw; the arrays are links."""
    target.mkdir(parents=True, exist_ok=True)
    for path in prepared.glob("*.npy"):
        (target / path.name).unlink(missing_ok=True)
        os.link(path, target / path.name)
    given = Prepared(prepared)
    manifest, labels = given.manifest, given.split("train").labels
    indices = stratified_indices(labels, given.pool, number, manifest.duplicates.train_indices).tolist()
    write_json(target / "manifest.json", as_json(replace(manifest, seed=number, calibration_indices=indices)))
