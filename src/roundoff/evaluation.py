"""Evaluation: every cell that runs on this machine, measured in one process, side by side."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from roundoff.artifact import whole_directory, write_json
from roundoff.backend.base import Backend, Logits, Runner
from roundoff.dataset.base import Images, Labels, Prepared
from roundoff.engine import GRAPH
from roundoff.errors import ConfigError, GateError, noted
from roundoff.lock import device_lock
from roundoff.measurement.accuracy import accuracy, chance_level, refuse_chance_level, relative_error
from roundoff.measurement.cell import PREFERRED_REFERENCE, REFERENCE_PRECISION, Cell, choose_reference, find_cells
from roundoff.measurement.label import label, strict_fp32
from roundoff.measurement.speed import DeviceSpeed, SpeedPlan, measure_device
from roundoff.measurement.spread import equal_gpus, measure_spread, merged_rows
from roundoff.measurement.statistics import FEWEST_FOR_MEDIAN_INTERVAL
from roundoff.measurement.timing import Schedule, Timing
from roundoff.progress import Bar, progress_bar

OWN_FILES = ("fp32", "fp16", "int8")
UNTIMED = {
    "load_ms": None,
    "memory_mb": None,
    "energy": {"mj_per_image": None, "reason": "not timed: evaluate.untimed"},
}


@dataclass(frozen=True)
class Evaluation:
    """How cells are measured; seconds are per device unless said otherwise.

    `min_seconds` holds for every cell and batch size, over `min_loads` loads or more of up to `rounds_per_load` rounds;
    `budget_seconds` bounds what is added to get each speed-up's 95 % interval within ±`interval_target`. `rotate` is
    the number of input buffers, `chance_margin` how far above chance an accuracy must be, as a share of the way
    to 1. With `control`, the fp32 engine is loaded and timed a second time, to show what this machine's noise is. With
    `spread`, the batch sizes are shared out among equal GPUs, a process each. Backends in `untimed` run the test set
    alone.
    """

    batch_sizes: list[int] = field(default_factory=lambda: [1, 32])
    accuracy_batch: int = 256
    warmup_ms: float = 200.0
    warmup_runs: int = 10
    min_seconds: float = 3.0
    min_loads: int = 20
    rounds_per_load: int = 20
    budget_seconds: float = 60.0
    interval_target: float = 0.01
    rotate: int = 4
    energy_seconds: float = 2.0
    chance_margin: float = 0.05
    control: bool = True
    spread: bool = True
    untimed: list[str] = field(default_factory=list)
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "batch_sizes", [int(size) for size in self.batch_sizes])
        object.__setattr__(self, "untimed", [str(name) for name in self.untimed])
        sizes, fewest = self.batch_sizes, FEWEST_FOR_MEDIAN_INTERVAL
        _require(bool(sizes) and min(sizes) > 0, "batch_sizes", sizes, "one or more sizes of at least 1")
        _require(len(set(sizes)) == len(sizes), "batch_sizes", sizes, "each size once")
        for name in ("accuracy_batch", "warmup_runs", "rounds_per_load", "rotate"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        for name in ("min_seconds", "budget_seconds", "energy_seconds"):
            _require(0 < getattr(self, name) < float("inf"), name, getattr(self, name), "a number of seconds above 0")
        _require(0 <= self.warmup_ms < float("inf"), "warmup_ms", self.warmup_ms, "0 or more milliseconds")
        _require(self.min_loads >= fewest, "min_loads", self.min_loads, f"{fewest} or more")
        for name in ("interval_target", "chance_margin"):
            _require(0 < getattr(self, name) < 1, name, getattr(self, name), "a share between 0 and 1")

    def run(
        self,
        *,
        engines: Path,
        precisions: Sequence[str],
        backends: Mapping[str, Backend],
        prepared: Prepared,
        platform: Mapping[str, Any],
        metrics: Path,
        predictions: Path,
        timings: Path,
    ) -> dict[str, dict[str, Any]]:
        """Measure the cells of `precisions` and `backends` under `engines`; write metrics, predictions and raw timings.

        Returns the rows by cell name ("fp32/onnxruntime"). Raises GateError for a model at chance level, for outputs of
        the timed mode that differ from the accuracy run's, and for an fp32 row that is none.
        """
        test, classes = prepared.split("test"), len(prepared.manifest["classes"])
        cells = find_cells(engines, precisions, backends)
        _infer(cells, test.images, self.accuracy_batch, platform)
        runnable = [cell for cell in cells if cell.logits is not None]
        reference = choose_reference(runnable)
        chance = chance_level(test.labels, classes)
        strict = _strict_logits(reference, test.images)
        for cell in runnable:
            _fill_accuracy(cell, reference, test.labels, chance, self.chance_margin)
            others = reference.logits if reference and cell is not reference else None
            _fill_label(cell, strict if strict is not None else others)
        timed = [cell for cell in runnable if cell.backend not in self.untimed]
        for cell in runnable:
            cell.row |= UNTIMED
        speeds = self._measure_speed(timed, prepared, platform)
        head = {
            "platform": dict(platform),
            "reference": reference.name if reference else None,
            "method": self._method(prepared, chance, speeds),
        }
        save_predictions(runnable, test.labels, predictions)
        save_timings({name: timing for _, found in speeds for name, timing in found.timings.items()}, timings)
        rows = {cell.name: cell.row for cell in cells}
        write_metrics(rows, head, metrics)
        return rows

    def _method(self, prepared: Prepared, chance: float, speeds: list[tuple[str, DeviceSpeed]]) -> dict[str, Any]:
        return {
            "evaluate": asdict(self),
            "test_set": _test_set(prepared),
            "chance": chance,
            "devices": {device: found.report for device, found in speeds},
        }

    def _measure_speed(
        self, cells: list[Cell], prepared: Prepared, platform: Mapping[str, Any]
    ) -> list[tuple[str, DeviceSpeed]]:
        devices: dict[str, list[Cell]] = {}
        for cell in cells:
            assert cell.device is not None
            devices.setdefault(cell.device, []).append(cell)
        plan, speeds = self._plan(), list[tuple[str, DeviceSpeed]]()
        for device, members in devices.items():
            gpus = equal_gpus(device, platform) if self.spread else []
            if len(gpus) > 1 and len(plan.batch_sizes) > 1:
                speeds += measure_spread(gpus, members, plan, prepared, platform)
            else:
                speeds.append((device, measure_device(device, members, plan, prepared.split("test").images)))
        rows = merged_rows([found for _, found in speeds])
        for cell in cells:
            cell.row |= rows[cell.name]
        return speeds

    def schedule(self) -> Schedule:
        """The part of this that the timing loop needs."""
        return Schedule(
            warmup_ms=self.warmup_ms,
            warmup_runs=self.warmup_runs,
            min_seconds=self.min_seconds,
            budget_seconds=self.budget_seconds,
            min_loads=self.min_loads,
            rounds_per_load=self.rounds_per_load,
            interval_target=self.interval_target,
        )

    def _plan(self) -> SpeedPlan:
        return SpeedPlan(
            schedule=self.schedule(),
            batch_sizes=self.batch_sizes,
            rotate=self.rotate,
            energy_seconds=self.energy_seconds,
            control=self.control,
            seed=self.seed,
        )


def _test_set(prepared: Prepared) -> str | None:
    """One hash of the test split's files, by which two runs tell whether they answered the same question."""
    hashes = prepared.manifest.get("hashes", {})
    parts = [hashes[name] for name in sorted(hashes) if name.startswith("test_")]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest() if parts else None


def _require(holds: bool, name: str, received: object, expected: str) -> None:
    if not holds:
        raise ConfigError(f"bad {name}", received=received, expected=expected, fix=f"correct evaluate.{name}")


def _infer(cells: list[Cell], images: Images, batch: int, platform: Mapping[str, Any]) -> None:
    """Run the whole test set through every cell that loads; the others' rows say why they do not."""
    available = [cell for cell in cells if cell.available]
    with progress_bar("accuracy", len(available) * len(images)) as bar:
        for cell in available:
            runner = cell.open(platform)
            if runner is not None:
                # not timed, but it would spoil what another job times on this device
                with runner, noted(f"while {cell.name} ran the test set"), device_lock(runner.device):
                    cell.device = runner.device
                    cell.row["numerics"] |= runner.layer_types() or {}
                    cell.logits = _logits(runner, images, batch, bar, cell.name)


def _logits(runner: Runner, images: Images, batch: int, bar: Bar, name: str) -> Logits:
    parts = []
    for start in range(0, len(images), batch):
        part = np.ascontiguousarray(images[start : start + batch])
        parts.append(runner.infer(part))
        bar.advance(len(part), name)
    logits: Logits = np.concatenate(parts)
    if len(logits) != len(images):
        raise GateError(
            f"{name} does not answer for every image",
            received=f"{len(logits)} rows of logits",
            expected=f"{len(images)}, one per test image",
            fix="the backend's runner is at fault",
        )
    return logits


def _fill_accuracy(cell: Cell, reference: Cell | None, labels: Labels, chance: float, margin: float) -> None:
    """Accuracy into the row; raises GateError for a model at chance level.

    A coarse precision that fell to chance while FP32 did not is a finding, not a fault: its row shows it.
    """
    assert cell.logits is not None
    compared = reference.logits if reference else None
    found = accuracy(cell.logits, labels, compared)
    if reference is None or cell.precision == REFERENCE_PRECISION:
        refuse_chance_level(cell.name, found, chance, margin)
    cell.row["accuracy"] = found


def _strict_logits(reference: Cell | None, images: Images) -> Logits | None:
    """Logits of strict FP32 for the first images or all; None where there is no ONNX graph to have them from.

    A GPU's FP32 cell, compared with itself, would show no error whatever it computes in.
    """
    if reference is None or reference.name == PREFERRED_REFERENCE:
        return None if reference is None else reference.logits
    graph = reference.directory / GRAPH
    return strict_fp32(graph, images) if graph.exists() else None


def _fill_label(cell: Cell, exact: Logits | None) -> None:
    """Error against `exact` and what it says of the type into the row; raises GateError: see `label`."""
    assert cell.logits is not None
    error = None if exact is None else relative_error(cell.logits[: len(exact)], exact)
    cell.row["label"] = label(cell.precision, error, cell.name)
    cell.row["numerics"]["relative_error"] = error


def save_predictions(cells: list[Cell], labels: Labels, directory: Path) -> None:
    """Labels int64 [N] and each cell's logits float32 [N, classes] as .npy; the directory is replaced as a whole."""
    with whole_directory(directory) as partial:
        np.save(partial / "labels.npy", labels, allow_pickle=False)
        for cell in cells:
            assert cell.logits is not None
            (partial / cell.precision).mkdir(exist_ok=True)
            np.save(partial / cell.precision / f"{cell.backend}.npy", cell.logits, allow_pickle=False)


def save_timings(timings: Mapping[str, Timing], directory: Path) -> None:
    """Raw samples of each cell and batch size as .npz; the directory is replaced as a whole."""
    with whole_directory(directory) as partial:
        for entry, timing in timings.items():
            path = partial / f"{entry}.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(
                path,
                device_ms=timing.device_ms,
                end_to_end_ms=timing.end_to_end_ms,
                round_ms=timing.round_ms,
                round_end_to_end_ms=timing.round_end_to_end_ms,
                round_load=timing.round_load,
                round_stream_s=np.array([block.stream_s for block in timing.blocks]),
            )


def write_metrics(rows: Mapping[str, Any], head: Mapping[str, Any], directory: Path) -> None:
    """One file for each of fp32, fp16 and int8, and more.json for further precisions by name."""
    by_precision: dict[str, dict[str, Any]] = {name: {} for name in OWN_FILES}
    for name, row in rows.items():
        precision, backend = name.split("/")
        by_precision.setdefault(precision, {})[backend] = row
    for name in OWN_FILES:
        write_json(directory / f"{name}.json", {**head, **by_precision.pop(name)})
    write_json(directory / "more.json", {**head, **by_precision})
