"""A cell that has run the whole test set: what it answered, and what that tells of what it computes in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roundoff.backend.base import Logits, Runner
from roundoff.cells.cell import Cell
from roundoff.dataset.base import Images, Prepared
from roundoff.errors import GateError, noted
from roundoff.measurement.anytime import Paired
from roundoff.measurement.logits_file import LogitsFile
from roundoff.measurement.stopping import EarlyStop
from roundoff.results.build import LayerTypes
from roundoff.results.cell import Numerics
from roundoff.results.message import Message, message
from roundoff.results.platform import Platform
from roundoff.results.shortfall import Shortfall, tolerated
from roundoff.system.at_work import at_work
from roundoff.system.device_lock import Locking, shared_device
from roundoff.system.progress import Bar

CHUNK = 256  # test images that a runner is given at once
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Answered:
    """Logits float32 [N, classes] of the test images in the file `written`; `layers` as the loaded engine tells them.

    `relative_error` and `effective_precision` are None until the answers were held against FP32's. `rows`, int64 [n]
    and ascending, are the images that were run, None for all; the other rows of the logits are NaN.
    """

    cell: Cell
    device: str
    written: LogitsFile
    layers: LayerTypes | None
    relative_error: float | None = None
    effective_precision: str | None = None
    rows: Rows | None = None

    @property
    def name(self) -> str:
        """`PRECISION/BACKEND`."""
        return self.cell.name

    @property
    def logits(self) -> Logits:
        """Memory-mapped, read-only."""
        return self.written.read()

    @property
    def numerics(self) -> Numerics:
        """What it computes in, as the build told it and the loaded engine corrects it."""
        built = self.cell.built.numerics or Numerics()
        told = {} if self.layers is None else {key: value for key, value in vars(self.layers).items() if value}
        return replace(built, relative_error=self.relative_error, **told)


class Missing(dict[str, Shortfall]):
    """Why a cell is not measured, by its name; the first reason stands."""

    def note(self, cell: str, doing: Message, strict: bool) -> AbstractContextManager[None, bool]:
        """A context in which what goes wrong leaves the cell out, and everything else goes on."""
        return tolerated(doing, partial(self._add, cell), strict)

    def _add(self, cell: str, why: Shortfall) -> None:
        self.setdefault(cell, why)


@dataclass(frozen=True)
class AccuracyRun:
    """How the test set of `prepared` is run; each cell's logits become a file under `folder`.

    Jobs that time something on the device, and use the same `locking`, wait for it.
    """

    prepared: Prepared
    folder: Path
    platform: Platform
    strict: bool
    locking: Locking

    def file_of(self, cell: Cell, count: int) -> LogitsFile:
        """Where a cell's logits of so many images are written."""
        path = self.folder / cell.precision / f"{cell.backend}.npy"
        path.parent.mkdir(exist_ok=True)
        return LogitsFile(path, count)


@dataclass(frozen=True)
class Part:
    """Test images uint8 [N, H, W, C], and which of them are to be run, int64 [n], in their order.

    With `stop` they are run till it has enough.
    """

    images: Images
    order: Rows
    stop: EarlyStop | None = None

    def chunks(self) -> Iterator[Rows]:
        """Images that a runner is given at once, ascending."""
        for start in range(0, len(self.order), CHUNK):
            yield np.sort(self.order[start : start + CHUNK])


def answer(cell: Cell, run: AccuracyRun, part: Part, missing: Missing, bar: Bar) -> Answered | None:
    """Run a part of the test set through a cell; None where that fails, and `missing` then says why."""
    with missing.note(cell.name, message("doing_loading"), run.strict), at_work(f"loading {cell.name}"):
        runner = cell.open(run.platform)
        with missing.note(cell.name, message("doing_test_set"), run.strict):
            # not timed, but it would spoil what another job times on this device
            locked = shared_device(runner.device, run.locking)
            with runner, at_work(f"the test set in {cell.name}"), noted(f"while {cell.name} ran the test set"), locked:
                layers, written = _layer_types(runner), run.file_of(cell, len(part.images))
                rows = run_images(runner, part, written, bar, cell.name)
                return Answered(cell, runner.device, written, layers, rows=rows)
    return None


def _layer_types(runner: Runner) -> LayerTypes | None:
    told: object = runner.layer_types()
    if told is None or isinstance(told, LayerTypes):
        return told
    raise TypeError(f"layer_types gives a {type(told).__name__}, where a LayerTypes or None is expected")


def run_images(runner: Runner, part: Part, written: LogitsFile, bar: Bar, name: str) -> Rows | None:
    """Run, and write the logits; which images were run, ascending, where `stop` had enough before all were."""
    stop, seen, ran, wrong = part.stop, Paired(0, 0, 0, 0, 0), 0, 0
    for rows in part.chunks():
        logits = _a_row_each(np.asarray(runner.infer(np.ascontiguousarray(part.images[rows]))), len(rows))
        if stop is not None and not ran:
            written.fill(logits.shape[1])
        written.write(rows, logits)
        ran, wrong = ran + len(rows), wrong + int((~np.isfinite(logits)).any(axis=1).sum())
        bar.advance(len(rows), name)
        if stop is None:
            continue
        _require_finite(wrong, ran)
        seen = seen + stop.counts(logits, rows)
        if stop.decided(seen):
            break
    _require_finite(wrong, ran)
    return None if ran == len(part.order) else np.sort(part.order[:ran])


def _a_row_each(logits: Logits, count: int) -> Logits:
    """The logits of so many images; raises GateError where they are not one row for each."""
    if logits.ndim != 2 or len(logits) != count:
        raise GateError(
            message("not_a_row_each"),
            received=f"an array of shape {logits.shape}",
            expected=f"({count}, classes), one row for each test image",
            fix="mend the backend's `infer`, or export the model with one row of logits for each image of a batch",
        )
    return logits


def _require_finite(wrong: int, count: int) -> None:
    """Raise GateError where logits are not finite."""
    if wrong:
        raise GateError(
            message("not_finite", wrong=wrong, count=count),
            received=f"logits that are NaN or infinite for {wrong} images",
            expected="finite logits for every test image",
            fix="a type of more range (bf16, or keeping the layers that overflow in float32) may hold them",
        )
