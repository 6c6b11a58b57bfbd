"""The images that the zoo is trained on: a zip with train/CLASS/ and test/CLASS/, decoded once by many processes."""

from __future__ import annotations

import multiprocessing
import zipfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.zoo.trained import CLASSES
from roundoff.dataset.base import Images, Labels
from roundoff.dataset.reading.decode import decoded

SIZE = 32
AT_ONCE = 1000


def write_arrays(archive: Path, folder: Path, processes: int) -> None:
    """Write {train,test}_{images,labels}.npy: uint8 [N, 32, 32, 3] and int64, in the order of the names."""
    with zipfile.ZipFile(archive) as opened:
        names = sorted(name for name in opened.namelist() if not name.endswith("/"))
    classes = sorted({name.split("/")[1] for name in names})
    if len(classes) != CLASSES:
        raise SystemExit(f"{archive} has {len(classes)} classes, not {CLASSES}")
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        for split in ("train", "test"):
            chosen = [name for name in names if name.startswith(f"{split}/")]
            parts = [chosen[i : i + AT_ONCE] for i in range(0, len(chosen), AT_ONCE)]
            images = np.concatenate(list(pool.map(_decoded, [archive] * len(parts), parts)))
            np.save(folder / f"{split}_images.npy", images)
            labels = np.array([classes.index(name.split("/")[1]) for name in chosen], np.int64)
            np.save(folder / f"{split}_labels.npy", labels)


def arrays(folder: Path, split: str) -> tuple[Images, Labels]:
    """What `write_arrays` wrote of `train` or `test`."""
    return np.load(folder / f"{split}_images.npy"), np.load(folder / f"{split}_labels.npy")


def _decoded(archive: Path, names: list[str]) -> Images:
    with zipfile.ZipFile(archive) as opened:
        return np.stack([decoded(opened.read(name), SIZE, SIZE, 3) for name in names])
