"""Everything that a report is written from, read from the files of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from roundoff.dataset.base import Images, Prepared
from roundoff.measurement.accuracy import chance_level
from roundoff.results.build import BuildMetrics
from roundoff.results.cell import Accuracy, Batch, CellMetrics
from roundoff.results.layers import LayerRow, Profile, read_profile, read_rows
from roundoff.results.metrics import builds_from, read_metrics
from roundoff.results.platform import Platform
from roundoff.results.precision import Types
from roundoff.results.preparation import AnyTrained, CalibrationMetrics, ExportMetrics, Manifest, Noise, stage_from
from roundoff.results.run import Device, Metrics
from roundoff.results.sensitivity import Effect, Whole, read_effects, read_whole
from roundoff.results.slices import SliceLoss
from roundoff.results.verdict import Verdict
from roundoff.revisions.series import agreeing, curves_in, guesses_in, labels_in, noise_in, times_in
from roundoff.system.files import read_json
from roundoff.system.slots import REFERENCE_PRECISION

Stage = TypeVar("Stage", AnyTrained, CalibrationMetrics, ExportMetrics)


@dataclass(frozen=True)
class Sources:
    """Where a run's files are."""

    metrics: Path
    predictions: Path
    timings: Path
    prepared: Path
    curves: Path | None
    noise: Path
    layers: Path | None = None
    sensitivity: Path | None = None
    slices: Path | None = None


@dataclass(frozen=True)
class Cell:
    """One precision on one backend: what `evaluate` found of it, and what its build stage says (None: nothing).

    `types` is None where nothing tells them.
    """

    precision: str
    backend: str
    metrics: CellMetrics
    build: BuildMetrics | None = None
    types: Types | None = None

    @property
    def key(self) -> str:
        """The name used in verdicts: PRECISION/BACKEND."""
        return f"{self.precision}/{self.backend}"

    @property
    def measured(self) -> bool:
        return self.metrics.measured

    @property
    def failed(self) -> bool:
        """Whether it should work and does not, at any batch size."""
        return self.metrics.status == "failed"

    @property
    def effective_precision(self) -> str:
        """The type that the cell computes in by its measured error; what was asked for where that is unknown."""
        return self.metrics.effective_precision or self.precision

    @property
    def accuracy(self) -> Accuracy | None:
        return self.metrics.accuracy

    @property
    def relative_error(self) -> float | None:
        return self.metrics.numerics.relative_error if self.metrics.numerics else None

    @property
    def build_s(self) -> float | None:
        return self.build.build_s if self.build else None

    @property
    def batches(self) -> dict[int, Batch]:
        """Timings by batch size, smallest first."""
        return dict(sorted(self.metrics.batches.items()))


@dataclass(frozen=True)
class Evidence:
    """The files of one run. Arrays are read when asked for; what a run does not have is None or empty."""

    sources: Sources
    metrics: Metrics
    cells: tuple[Cell, ...]
    verdict: Verdict | None
    slices: tuple[SliceLoss, ...] = ()

    @property
    def platform(self) -> Platform:
        """The fingerprint of the machine."""
        return self.metrics.platform

    @property
    def reference(self) -> str | None:
        """The cell that the others are compared with."""
        return self.metrics.reference

    @property
    def measured(self) -> tuple[Cell, ...]:
        return tuple(cell for cell in self.cells if cell.measured)

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        return tuple(sorted({size for cell in self.cells for size in cell.batches}))

    @property
    def main_batch(self) -> int | None:
        """The batch size that the verdict ranks cells at, else the smallest that was measured."""
        target = self.verdict.target if self.verdict else None
        ranked = target.batch_size if target else None
        return ranked if ranked in self.batch_sizes else next(iter(self.batch_sizes), None)

    def cell(self, key: str | None) -> Cell | None:
        """The cell named PRECISION/BACKEND."""
        return next((cell for cell in self.cells if cell.key == key), None)

    @property
    def chance(self) -> float:
        """Accuracy of the best constant answer on this test set."""
        recorded = self.metrics.method.chance
        return chance_level(self.labels, len(self.classes)) if recorded is None else recorded

    @property
    def chance_margin(self) -> float:
        """The share of the way from chance to 1 that an accuracy's lower bound must be above chance."""
        return self.metrics.method.chance_margin or 0.0

    @property
    def devices(self) -> Mapping[str, Device]:
        """How each device was timed, by its name or UUID."""
        return self.metrics.method.devices

    @property
    def timings(self) -> list[Batch]:
        """Every batch of every cell that was timed."""
        return [timing for _, _, timing in self.timed_batches]

    @property
    def timed_batches(self) -> list[tuple[Cell, int, Batch]]:
        """Cell, batch size and metrics of every batch that was timed."""
        return [(cell, batch, timing) for cell, batch, timing in self.batches if cell.measured and timing.runs]

    @property
    def batches(self) -> list[tuple[Cell, int, Batch]]:
        """Cell, batch size and metrics of every batch, timed or not."""
        return [(cell, batch, timing) for cell in self.cells for batch, timing in cell.batches.items()]

    @cached_property
    def manifest(self) -> Manifest:
        """What the prepared dataset says of itself."""
        return Prepared(self.sources.prepared).manifest

    @cached_property
    def classes(self) -> tuple[str, ...]:
        return self.manifest.names

    def class_name(self, index: int) -> str:
        """The name of a class; a question mark for an answer that was not finite."""
        return self.classes[index] if index >= 0 else "?"

    @cached_property
    def curves(self) -> list[dict[str, str]]:
        return curves_in(self.sources.curves)

    @cached_property
    def noise(self) -> list[Noise]:
        return noise_in(self.sources.noise)

    @cached_property
    def layers(self) -> list[LayerRow]:
        """The layers of each cell as they ran; none where they were not timed."""
        return read_rows(self.sources.layers)

    @cached_property
    def profile(self) -> Profile:
        """What holds of those cells as a whole."""
        return read_profile(self.sources.metrics / "profile.json")

    @cached_property
    def effects(self) -> list[Effect]:
        """What each tensor in 8 bits costs the answers, most first; none where that was not measured."""
        return read_effects(self.sources.sensitivity)

    @cached_property
    def whole(self) -> Whole:
        """What all of them together cost."""
        return read_whole(self.sources.metrics / "sensitivity.json")

    @cached_property
    def calibration(self) -> CalibrationMetrics | None:
        """What the calibrate stage says; None where it wrote nothing."""
        return self._stage("calibrate", CalibrationMetrics)

    @cached_property
    def export(self) -> ExportMetrics | None:
        """What the export stage says; None where it wrote nothing."""
        return self._stage("export", ExportMetrics)

    @cached_property
    def model(self) -> str | None:
        """The model's name; None where the run does not tell it."""
        trained = self._stage("train", AnyTrained)
        return trained.model if trained else None

    def _stage(self, name: str, kind: type[Stage]) -> Stage | None:
        path = self.sources.metrics / f"{name}.json"
        return stage_from(kind, name, read_json(path)) if path.exists() else None

    @cached_property
    def test_images(self) -> Images:
        """Test images uint8 [N, H, W, C], memory-mapped."""
        return Prepared(self.sources.prepared).split("test").images

    def guesses(self, cell: Cell) -> NDArray[np.int64] | None:
        """The class that the cell chose for each test image, int64 [N]; -1 where a logit is not finite."""
        own = self._guesses(f"{cell.precision}/{cell.backend}")
        return agreeing(self.sources.predictions, own, self._reference_guesses, cell.accuracy)

    @cached_property
    def _reference_guesses(self) -> NDArray[np.int64] | None:
        return self._guesses(str(self.metrics.reference))

    def _guesses(self, name: str) -> NDArray[np.int64] | None:
        path = self.sources.predictions / f"{name}.npy"
        told = self.metrics.cells[name].accuracy if name in self.metrics.cells else None
        return guesses_in(path, self.labels, len(self.classes), told) if path.exists() else None

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """True classes of the test images, int64 [N]."""
        return labels_in(self.sources.predictions / "labels.npy", len(self.classes))

    def samples(self, cell: Cell, batch: int) -> dict[str, NDArray[np.float64]]:
        """Raw timings in ms by name (`device_ms`, `end_to_end_ms`, `round_ms`); empty where there are none."""
        return times_in(self.sources.timings / cell.precision / cell.backend / f"batch_{batch}.npz")


def read_evidence(sources: Sources, verdict: Verdict | None, slices: Sequence[SliceLoss] = ()) -> Evidence:
    """Everything of one run, with what `sliced.read_slice_losses` finds of its slices.

    Raises DataError where `evaluate` wrote nothing, or the files are of several runs.
    """
    metrics = read_metrics(sources.metrics)
    cells = cells_of(metrics, _builds(sources.metrics, metrics))
    return Evidence(sources, metrics, tuple(_in_order(cells)), verdict, tuple(slices))


def cells_of(metrics: Metrics, builds: Mapping[str, Mapping[str, BuildMetrics]]) -> list[Cell]:
    """The cells of a run in the order of its files, each with its build; `builds` by precision and backend."""
    cells = []
    for name, cell_metrics in metrics.cells.items():
        precision, backend = name.split("/")
        build = builds.get(precision, {}).get(backend)
        cells.append(Cell(precision, backend, cell_metrics, build, _types(metrics, precision, cell_metrics)))
    return cells


def _types(metrics: Metrics, precision: str, cell: CellMetrics) -> Types | None:
    """The precision's types, the weights as the build tells them of this cell."""
    known = metrics.method.precisions.get(precision)
    return replace(known, weights=cell.weights) if known and cell.weights else known


def _builds(directory: Path, metrics: Metrics) -> dict[str, dict[str, BuildMetrics]]:
    """What the build stages of the cells' precisions say, as far as they wrote anything."""
    precisions = dict.fromkeys(name.split("/")[0] for name in metrics.cells)
    paths = {precision: directory / f"build-{precision}.json" for precision in precisions}
    return {precision: builds_from(path.stem, read_json(path)) for precision, path in paths.items() if path.exists()}


def _in_order(cells: list[Cell]) -> list[Cell]:
    """By backend as they first appear, then the reference precision, then from the widest to the narrowest type."""
    backends = list(dict.fromkeys(cell.backend for cell in cells))

    def place(cell: Cell) -> tuple[Any, ...]:
        known = (0, cell.types.rank) if cell.types else (1, ())
        return backends.index(cell.backend), cell.precision != REFERENCE_PRECISION, known

    return sorted(cells, key=place)
