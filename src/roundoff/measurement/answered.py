"""A cell that has run the whole test set: what it answered, and what that tells of what it computes in."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from roundoff.backend.base import Logits, Runner
from roundoff.cells.cell import Cell
from roundoff.dataset.base import Images
from roundoff.errors import GateError, noted
from roundoff.measurement.anytime import Paired
from roundoff.measurement.stopping import EarlyStop
from roundoff.results.build import LayerTypes
from roundoff.results.cell import Numerics
from roundoff.results.message import Message, message
from roundoff.results.platform import Platform
from roundoff.results.shortfall import Shortfall, tolerated
from roundoff.system.device_lock import Locking, shared_device
from roundoff.system.progress import Bar, progress_bar

CHUNK = 256  # test images that a runner is given at once


@dataclass(frozen=True)
class Answered:
    """Logits float32 [N, classes] of the test images, on `device`; `layers` as the loaded engine tells them.

    `relative_error` and `effective_precision` are None until the answers were held against FP32's. `rows`, int64 [n]
    and ascending, are the images that were run, None for all; the other rows of the logits are NaN.
    """

    cell: Cell
    device: str
    logits: Logits
    layers: LayerTypes | None
    relative_error: float | None = None
    effective_precision: str | None = None
    rows: NDArray[np.int64] | None = None

    @property
    def name(self) -> str:
        """`PRECISION/BACKEND`."""
        return self.cell.name

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
    """How the test set is run: jobs that time something on the device, and use the same `locking`, wait for it."""

    platform: Platform
    strict: bool
    locking: Locking


def infer(
    cells: Sequence[Cell], images: Images, run: AccuracyRun, missing: Missing, stop: EarlyStop | None = None
) -> list[Answered]:
    """Run images uint8 [N, H, W, C] through every cell that was built and loads: all, or till `stop` has enough."""
    built = [cell for cell in cells if cell.built.measured]
    answered = []
    with progress_bar("accuracy", len(built) * len(images)) as bar:
        for cell in built:
            with missing.note(cell.name, message("doing_loading"), run.strict):
                runner = cell.open(run.platform)
                with missing.note(cell.name, message("doing_test_set"), run.strict):
                    answered.append(_answered(cell, runner, images, run, bar, stop))
    return answered


def _answered(
    cell: Cell, runner: Runner, images: Images, run: AccuracyRun, bar: Bar, stop: EarlyStop | None
) -> Answered:
    # not timed, but it would spoil what another job times on this device
    locked = shared_device(runner.device, run.locking)
    with runner, noted(f"while {cell.name} ran the test set"), locked:
        layers = runner.layer_types()
        logits, rows = _logits(runner, images, bar, cell.name, stop)
        return Answered(cell, runner.device, logits, layers, rows=rows)


def _logits(
    runner: Runner, images: Images, bar: Bar, name: str, stop: EarlyStop | None
) -> tuple[Logits, NDArray[np.int64] | None]:
    """Logits float32 [N, classes], and the images that were run where these are not all."""
    order = np.arange(len(images)) if stop is None else stop.order
    parts, rows, seen = list[Logits](), list[NDArray[np.int64]](), Paired(0, 0, 0, 0, 0)
    for start in range(0, len(images), CHUNK):
        rows.append(np.sort(order[start : start + CHUNK]))
        parts.append(np.asarray(runner.infer(np.ascontiguousarray(images[rows[-1]]))))
        bar.advance(len(rows[-1]), name)
        if stop is None:
            continue
        seen = seen + stop.counts(_finite(parts[-1], len(rows[-1])), rows[-1])
        if stop.decided(seen):
            break
    ran = np.concatenate(rows)
    given = _finite(np.concatenate(parts), len(ran))
    logits: Logits = np.full((len(images), given.shape[1]), np.nan, dtype=given.dtype)
    logits[ran] = given
    return logits, None if len(ran) == len(images) else np.sort(ran)


def _finite(logits: Logits, count: int) -> Logits:
    """The logits of so many images; raises GateError where they are not one row for each, all finite."""
    if logits.ndim != 2 or len(logits) != count:
        raise GateError(
            message("not_a_row_each"),
            received=f"an array of shape {logits.shape}",
            expected=f"({count}, classes), one row for each test image",
            fix="mend the backend's `infer`, or export the model with one row of logits for each image of a batch",
        )
    if wrong := int((~np.isfinite(logits)).any(axis=1).sum()):
        raise GateError(
            message("not_finite", wrong=wrong, count=len(logits)),
            received=f"logits that are NaN or infinite for {wrong} images",
            expected="finite logits for every test image",
            fix="a type of more range (bf16, or keeping the layers that overflow in float32) may hold them",
        )
    return logits
