"""Evaluation: every cell that runs on this machine, measured in one process, side by side."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from roundoff.backend.base import Backend, Logits, Runner
from roundoff.cells.cell import REFERENCE_PRECISION, Cell, find_cells
from roundoff.dataset.base import Images, Labels, Prepared
from roundoff.errors import ConfigError, GateError, noted
from roundoff.measurement.accuracy import accuracy, chance_level, refuse_chance_level
from roundoff.measurement.multi_gpu import equal_gpus, measure_spread, merged_rows
from roundoff.measurement.reference import choose_reference, fill_label
from roundoff.measurement.speed import DeviceSpeed, SpeedPlan, measure_device
from roundoff.measurement.statistics import FEWEST_FOR_MEDIAN_INTERVAL
from roundoff.measurement.timing import Schedule, Timing
from roundoff.pipeline.limits import MOST_BATCH, MOST_BATCH_SIZES, MOST_LOADS, MOST_SECONDS, check_seed
from roundoff.results.shortfall import Shortfall, tolerated
from roundoff.system import own
from roundoff.system.device_lock import device_lock
from roundoff.system.files import whole_directory, write_json
from roundoff.system.progress import Bar, progress_bar

OWN_FILES = ("fp32", "fp16", "int8")
MOST = {"accuracy_batch": MOST_BATCH, "warmup_runs": 10**6, "rounds_per_load": MOST_LOADS, "rotate": 1024}
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
    alone. With `strict` the first cell or batch size that fails ends the stage; else it is a row with its reason. Other
    jobs that use the same `lock_directory` wait while this one is at work on a device.
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
    strict: bool = False
    lock_directory: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "batch_sizes", [int(size) for size in self.batch_sizes])
        object.__setattr__(self, "untimed", [str(name) for name in self.untimed])
        sizes, fewest = self.batch_sizes, FEWEST_FOR_MEDIAN_INTERVAL
        fitting = 1 <= len(sizes) <= MOST_BATCH_SIZES and 0 < min(sizes) <= max(sizes) <= MOST_BATCH
        expected = f"one or more sizes ({MOST_BATCH_SIZES} at most) of at least 1, at most {MOST_BATCH}"
        _require(fitting, "batch_sizes", sizes, expected)
        _require(len(set(sizes)) == len(sizes), "batch_sizes", sizes, "each size once")
        for name, most in MOST.items():
            _require(1 <= getattr(self, name) <= most, name, getattr(self, name), f"at least 1, at most {most}")
        for name in ("min_seconds", "budget_seconds", "energy_seconds"):
            seconds = getattr(self, name)
            _require(0 < seconds <= MOST_SECONDS, name, seconds, f"a number of seconds above 0, up to {MOST_SECONDS:g}")
        _require(0 <= self.warmup_ms <= 1e6, "warmup_ms", self.warmup_ms, "0 or more milliseconds, up to 1000000")
        _require(
            fewest <= self.min_loads <= MOST_LOADS, "min_loads", self.min_loads, f"{fewest} or more, up to {MOST_LOADS}"
        )
        check_seed("evaluate.seed", self.seed)
        _require(self.lock_directory != "", "lock_directory", "''", "a directory, or null")
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

        Returns the rows by cell name ("fp32/onnxruntime"); cells and batch sizes that fail are rows, too. Raises
        GateError, and writes nothing, where no FP32 cell runs, the reference is at chance level, or nothing at all
        could be measured.
        """
        test, classes = prepared.split("test"), len(prepared.manifest["classes"])
        cells = find_cells(engines, precisions, backends)
        _infer(cells, test.images, self, platform)
        reference, exact = choose_reference(cells, test.images, self.strict)
        chance = chance_level(test.labels, classes)
        _fill_accuracy(cells, reference, test.labels)
        refuse_chance_level(reference.name, reference.row["accuracy"], chance, self.chance_margin)
        against = reference.logits if exact is None else exact
        for cell in cells:
            if cell.logits is not None and cell is not reference:
                fill_label(cell, against, self.strict)
        runnable = [cell for cell in cells if cell.logits is not None]
        timed = [cell for cell in runnable if cell.backend not in self.untimed]
        for cell in runnable:
            cell.row |= UNTIMED
        speeds = self._measure_speed(timed, prepared, platform)
        _fail_what_never_ran(runnable)
        _explain_missing_speedups(cells)
        head = {
            "platform": dict(platform),
            "reference": reference.name,
            "method": self._method(prepared, chance, speeds),
        }
        rows = {cell.name: cell.row for cell in cells}
        _refuse_empty(rows)
        save_predictions(runnable, test.labels, predictions)
        save_timings({name: timing for _, found in speeds for name, timing in found.timings.items()}, timings)
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
            strict=self.strict,
            lock_directory=self.lock_directory,
        )


def _test_set(prepared: Prepared) -> str | None:
    """One hash of the test split's files, by which two runs tell whether they answered the same question."""
    hashes = prepared.manifest.get("hashes", {})
    parts = [hashes[name] for name in sorted(hashes) if name.startswith("test_")]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest() if parts else None


def _require(holds: bool, name: str, received: object, expected: str) -> None:
    if not holds:
        raise ConfigError(f"bad {name}", received=received, expected=expected, fix=f"correct evaluate.{name}")


def _infer(cells: list[Cell], images: Images, evaluation: Evaluation, platform: Mapping[str, Any]) -> None:
    """Run the whole test set through every cell that loads; the others' rows say why they do not."""
    available = [cell for cell in cells if cell.available]
    with progress_bar("accuracy", len(available) * len(images)) as bar:
        for cell in available:
            runner = cell.open(platform, evaluation.strict)
            if runner is not None:
                with tolerated("running the test set", cell.leave_out, evaluation.strict):
                    _answer(cell, runner, images, evaluation, bar)


def _answer(cell: Cell, runner: Runner, images: Images, evaluation: Evaluation, bar: Bar) -> None:
    # not timed, but it would spoil what another job times on this device
    locked = device_lock(runner.device, evaluation.lock_directory)
    with runner, noted(f"while {cell.name} ran the test set"), locked:
        cell.device = runner.device
        cell.row["numerics"] |= runner.layer_types() or {}
        logits = _logits(runner, images, evaluation.accuracy_batch, bar, cell.name)
    cell.logits = logits


def _logits(runner: Runner, images: Images, batch: int, bar: Bar, name: str) -> Logits:
    """Logits float32 [N, classes], all finite; raises GateError where they are not, or not one row for each image."""
    parts = []
    for start in range(0, len(images), batch):
        part = np.ascontiguousarray(images[start : start + batch])
        parts.append(np.asarray(runner.infer(part)))
        bar.advance(len(part), name)
    logits: Logits = np.concatenate(parts)
    if logits.ndim != 2 or len(logits) != len(images):
        raise GateError(
            "it does not answer with one row of logits for every image",
            received=f"an array of shape {logits.shape}",
            expected=f"({len(images)}, classes), one row for each test image",
            fix="mend the backend's `infer`, or export the model with one row of logits for each image of a batch",
        )
    if wrong := int((~np.isfinite(logits)).any(axis=1).sum()):
        raise GateError(
            f"{wrong} of {len(logits)} answers to the test set are not finite numbers",
            received=f"logits that are NaN or infinite for {wrong} images",
            expected="finite logits for every test image",
            fix="a type of more range (bf16, or keeping the layers that overflow in float32) may hold them",
        )
    return logits


def _fill_accuracy(cells: list[Cell], reference: Cell, labels: Labels) -> None:
    """Accuracy into the rows, of the reference alone and of the others against it.

    A coarse precision that falls to chance while FP32 does not is a finding, not a fault: its row shows it.
    """
    for cell in cells:
        if cell.logits is not None:
            compared = reference.logits if cell is not reference else None
            cell.row["accuracy"] = accuracy(cell.logits, labels, compared)


def _fail_what_never_ran(cells: list[Cell]) -> None:
    """A cell that was to be timed, and was at no batch size though some should work, is a failed one."""
    for cell in cells:
        batches = [found for key, found in cell.row.items() if key.startswith("batch_")]
        failed = [found for found in batches if found["status"] == "failed"]
        if failed and not any(found["status"] == "measured" for found in batches):
            cell.fail(Shortfall("failed", failed[0]["reason"], failed[0]["detail"]))


def _explain_missing_speedups(cells: list[Cell]) -> None:
    """Where a backend's FP32 is not measured at all, why is why there are no speed-ups over it."""
    fp32 = {cell.backend: cell for cell in cells if cell.precision == REFERENCE_PRECISION}
    for cell in cells:
        wide = fp32.get(cell.backend)
        if wide is None or cell is wide or wide.row["status"] == "measured":
            continue
        for key, found in cell.row.items():
            if key.startswith("batch_") and found["status"] == "measured":
                found["speedup_reason"] = f"{wide.name} is {wide.row['status']}: {wide.row['reason']}"


def _refuse_empty(rows: Mapping[str, Mapping[str, Any]]) -> None:
    if any(row["status"] == "measured" for row in rows.values()):
        return
    raise GateError(
        "nothing could be measured",
        received="; ".join(f"{name} {row['status']}: {row['reason']} ({row['detail']})" for name, row in rows.items()),
        expected="a cell that runs",
        fix="mend one of these cells; the metrics of before stay as they were",
    )


def save_predictions(cells: list[Cell], labels: Labels, directory: Path) -> None:
    """Labels int64 [N] and each cell's logits float32 [N, classes] as .npy; the directory is replaced as a whole."""
    with whole_directory(directory, own.predictions) as partial:
        np.save(partial / "labels.npy", labels, allow_pickle=False)
        for cell in cells:
            assert cell.logits is not None
            (partial / cell.precision).mkdir(exist_ok=True)
            np.save(partial / cell.precision / f"{cell.backend}.npy", cell.logits, allow_pickle=False)


def save_timings(timings: Mapping[str, Timing], directory: Path) -> None:
    """Raw samples of each cell and batch size as .npz; the directory is replaced as a whole."""
    with whole_directory(directory, own.timings) as partial:
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
