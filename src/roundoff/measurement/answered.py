"""A cell that has run the whole test set: what it answered, and what that tells of what it computes in."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from roundoff.backend.base import Logits, Runner
from roundoff.cells.cell import Cell
from roundoff.dataset.base import Images
from roundoff.errors import GateError, noted
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

    `relative_error` and `effective_precision` are None until the answers were held against FP32's.
    """

    cell: Cell
    device: str
    logits: Logits
    layers: LayerTypes | None
    relative_error: float | None = None
    effective_precision: str | None = None

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


def infer(cells: Sequence[Cell], images: Images, run: AccuracyRun, missing: Missing) -> list[Answered]:
    """Run all images uint8 [N, H, W, C] through every cell that was built and loads."""
    built = [cell for cell in cells if cell.built.measured]
    answered = []
    with progress_bar("accuracy", len(built) * len(images)) as bar:
        for cell in built:
            with missing.note(cell.name, message("doing_loading"), run.strict):
                runner = cell.open(run.platform)
                with missing.note(cell.name, message("doing_test_set"), run.strict):
                    answered.append(_answered(cell, runner, images, run, bar))
    return answered


def _answered(cell: Cell, runner: Runner, images: Images, run: AccuracyRun, bar: Bar) -> Answered:
    # not timed, but it would spoil what another job times on this device
    locked = shared_device(runner.device, run.locking)
    with runner, noted(f"while {cell.name} ran the test set"), locked:
        layers = runner.layer_types()
        return Answered(cell, runner.device, _logits(runner, images, bar, cell.name), layers)


def _logits(runner: Runner, images: Images, bar: Bar, name: str) -> Logits:
    """Logits float32 [N, classes], all finite; raises GateError where they are not, or not one row for each image."""
    parts = []
    for start in range(0, len(images), CHUNK):
        part = np.ascontiguousarray(images[start : start + CHUNK])
        parts.append(np.asarray(runner.infer(part)))
        bar.advance(len(part), name)
    logits: Logits = np.concatenate(parts)
    if logits.ndim != 2 or len(logits) != len(images):
        raise GateError(
            message("not_a_row_each"),
            received=f"an array of shape {logits.shape}",
            expected=f"({len(images)}, classes), one row for each test image",
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
