"""What the operating system refuses, one call at a time, while a stage's files are read and written."""

from __future__ import annotations

import builtins
import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.random import Generator

from benchmarks.hostile import calibration, cells, evaluated, metrics, prepared
from benchmarks.hostile.case import Case, Lost, same
from roundoff.system import own
from roundoff.system.files import read_json, whole_directory, write_json, write_text
from roundoff.system.refusal import KINDS, in_words

# Where a program meets the system: opening, making, renaming, flushing, listing.
CALLS: tuple[tuple[Any, str], ...] = (
    (builtins, "open"),
    (io, "open"),
    (os, "open"),
    (os, "mkdir"),
    (os, "replace"),
    (os, "rename"),
    (os, "fsync"),
    (os, "scandir"),
)
CELL, TABLE, CACHE = "fp16/onnxruntime", "models/calibration/table.json", "models/calibration/calibration.cache"
READINGS: dict[str, Callable[[Path], object]] = {
    "data/prepared": prepared.read,
    TABLE: calibration.converted,
    CACHE: calibration.scales,
    "platform.json": metrics.platform,
    f"models/engines/{CELL}": partial(cells.answers, CELL),
    "metrics": evaluated.report,
}


def cases(project: Path, _: Generator) -> Iterator[Case]:
    """Each kind of refusal, at the first call, at the last and between, in each reading and each writing."""
    with TemporaryDirectory(prefix="roundoff-hostile-") as temporary:
        folder = Path(temporary)
        reading = {name: _calls(partial(read, project), project) for name, read in READINGS.items()}
        writing = {name: _calls(partial(write, project, folder), folder) for name, write in WRITINGS.items()}
    untouched = {name: same(read(project)) for name, read in READINGS.items()}
    for number in KINDS:
        for name, read in READINGS.items():
            for at in _positions(reading[name]):
                attempt = partial(_read, read, project, number, at)
                yield Case(f"reading {name}", _how(number, at), attempt, untouched[name])
        for name, write in WRITINGS.items():
            for at in _positions(writing[name]) if (name, number) not in ROWS else ():
                yield Case(
                    f"writing {name}", _how(number, at), partial(_written, write, project, number, at), same("whole")
                )


def _how(number: int, at: int) -> str:
    return f"{errno.errorcode[number]} at call {at + 1}"


def _calls(work: Callable[[], object], place: Path) -> int:
    """How many calls of the work concern a file."""
    with refusing(place, 0, -2) as count:
        work()
    return count[0]


def _positions(calls: int) -> list[int]:
    return sorted({0, calls // 3, 2 * calls // 3, calls - 1})


def _read(read: Callable[[Path], object], project: Path, number: int, position: int, _: Path) -> object:
    return _refused(partial(read, project), project, number, position)


def _written(write: Callable[[Path, Path], object], project: Path, number: int, position: int, folder: Path) -> str:
    """Write over what was written before: it has to be there as before, and nothing beside it."""
    write(project, folder)
    before = _contents(folder)
    try:
        _refused(partial(write, project, folder), folder, number, position)
    finally:
        after = _contents(folder)
        if after != before:
            raise Lost(f"half written: {sorted(set(before) ^ set(after)) or 'other contents'}")
    return "whole"


def _refused(work: Callable[[], object], place: Path, number: int, position: int) -> object:
    """What `work` returns, or the error that a stage would end with."""
    try:
        with refusing(place, number, position):
            return work()
    except Exception as error:
        raise in_words(error) or error from None


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@contextmanager
def refusing(place: Path, number: int, position: int) -> Iterator[list[int]]:
    """The call at `position`, of those that concern what lies at `place` or a file that is open, is refused.

    Yields the number of such calls, as it grows.
    """
    count = [0]

    def refuse(call: Callable[..., Any], *given: Any, **named: Any) -> Any:
        path = given[0] if given else None
        if call is fsync or str(path).startswith(str(place)):
            count[0] += 1
            if count[0] == position + 1:
                raise OSError(number, os.strerror(number), *([] if isinstance(path, int) else [str(path)]))
        return call(*given, **named)

    fsync = os.fsync
    with ExitStack() as stack:
        for module, name in CALLS:
            stack.enter_context(patch.object(module, name, partial(refuse, getattr(module, name))))
        yield count


def _write_prepared(project: Path, folder: Path) -> None:
    with whole_directory(folder / "data/prepared", own.prepared) as partial_folder:
        for path in (project / "data/prepared").glob("*.npy"):
            np.save(partial_folder / path.name, np.load(path), allow_pickle=False)
        write_json(partial_folder / "manifest.json", read_json(project / "data/prepared/manifest.json"))


def _write_table(project: Path, folder: Path) -> None:
    from roundoff.calibration.observing.table import CalibrationTable

    CalibrationTable.load(project / TABLE).save(folder / TABLE)


def _write_cache(project: Path, folder: Path) -> None:
    write_text(folder / CACHE, (project / CACHE).read_text())


def _write_platform(project: Path, folder: Path) -> None:
    from roundoff.results.platform import read_platform, write_platform

    write_platform(read_platform(project / "platform.json"), folder / "platform.json")


def _write_metrics(project: Path, folder: Path) -> None:
    from roundoff.results.metrics import read_metrics, write_metrics

    write_metrics(read_metrics(project / "metrics"), folder / "metrics")


def _write_cell(project: Path, folder: Path) -> None:
    from roundoff.backend.onnxrt.backend import OnnxRuntime
    from roundoff.cells.inputs import Inputs
    from roundoff.cells.store import build_or_tell
    from roundoff.dataset.base import Prepared
    from roundoff.precision.fp16 import Fp16
    from roundoff.results.platform import read_platform

    images = Prepared(project / "data/prepared").calibration_images(8)
    inputs = Inputs(project / "models/onnx/model.onnx", None, None, images, read_platform(project / "platform.json"))
    at = folder / "models/engines/fp16/onnxruntime"
    build_or_tell("onnxruntime", OnnxRuntime(threads=1), "fp16", Fp16(), inputs, at, True)


WRITINGS: dict[str, Callable[[Path, Path], object]] = {
    "data/prepared": _write_prepared,
    TABLE: _write_table,
    CACHE: _write_cache,
    "platform.json": _write_platform,
    "metrics": _write_metrics,
    f"models/engines/{CELL}": _write_cell,
}
ROWS = (
    (f"models/engines/{CELL}", errno.ENOMEM),
)  # memory is a cell's own want: its row says so, and replaces the one before
