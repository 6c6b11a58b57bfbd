"""Evaluation: every cell that runs on this machine, measured in one process, side by side."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from roundoff.backend.base import Backend, Logits
from roundoff.cells.cell import Cell, find_cells
from roundoff.dataset.base import Prepared, Split
from roundoff.measurement.accuracy import chance_level, refuse_chance_level, without_loss
from roundoff.measurement.accuracy_run import Spread, infer
from roundoff.measurement.answered import AccuracyRun, Answered, Missing
from roundoff.measurement.anytime import FEWEST_FOR_SEQUENCE
from roundoff.measurement.origin import origin_of
from roundoff.measurement.plan import SpeedPlan
from roundoff.measurement.put_together import Parts, accuracies_of, merged_speeds, put_together, refuse_empty
from roundoff.measurement.reference import (
    StrictAnswers,
    choose_reference,
    no_reference,
    rounding_of,
    with_effective_precision,
)
from roundoff.measurement.saving import save_predictions, save_timings
from roundoff.measurement.statistics import FEWEST_FOR_MEDIAN_INTERVAL
from roundoff.measurement.stopping import EarlyStop
from roundoff.measurement.workers import Workers, equal_gpus
from roundoff.pipeline.limits import MOST_BATCH, MOST_BATCH_SIZES, MOST_LOADS, MOST_SECONDS, check_seed, require
from roundoff.precision.base import Precision
from roundoff.results.cell import Accuracy
from roundoff.results.metrics import write_metrics
from roundoff.results.platform import Platform
from roundoff.results.precision import Types
from roundoff.results.run import Method, Metrics
from roundoff.system import own
from roundoff.system.device_lock import Locking
from roundoff.system.files import whole_directory
from roundoff.system.slots import REFERENCE_PRECISION

if TYPE_CHECKING:
    from roundoff.measurement.enough import Schedule
    from roundoff.measurement.speed import DeviceSpeed

MOST = {"warmup_runs": 10**6, "rounds_per_load": MOST_LOADS, "input_buffers": 1024}


@dataclass(frozen=True)
class Evaluation:
    """How cells are measured; seconds are per device unless said otherwise.

    `min_seconds` holds for every cell and batch size, over `min_loads` loads or more of up to `rounds_per_load` rounds;
    `budget_seconds` bounds what is added to get each speed-up's 95 % interval within ±`interval_target`, and is shared
    where GPUs share the loads. `input_buffers` is how many inputs take turns, `chance_margin` how far above
    chance an accuracy must be, as a share of the way to 1. With `aa_control`, the fp32 engine is loaded and timed a
    second time, to show what this machine's noise is. With `multi_gpu`, equal GPUs share the loads, and each
    cell's test set unless it may stop early, a process each. Backends in `accuracy_only` are not timed. With
    `keep_logits` all logits are kept, not the classes of the largest alone. With `strict` the first cell or batch size
    that fails ends the stage; else it is a row with its reason. With `stop_early`, the verdict's
    `min_relative_accuracy`, a cell's test set ends as soon as it decides, and its timing as soon as the speed-up is
    within ±`interval_target`, or three times that where it is clearly none, or the race at its batch size has ended for
    it, by intervals that allow for it. Jobs that use the same `lock_directory` wait for each other's devices: one that
    times is alone, those that do not share it and are let in between loads. After `lock_timeout_s` seconds of waiting
    (None: without limit) the stage ends.
    """

    batch_sizes: list[int] = field(default_factory=lambda: [1, 32])
    warmup_ms: float = 200.0
    warmup_runs: int = 10
    min_seconds: float = 3.0
    min_loads: int = 20
    rounds_per_load: int = 20
    budget_seconds: float = 60.0
    interval_target: float = 0.01
    input_buffers: int = 4
    energy_seconds: float = 2.0
    chance_margin: float = 0.05
    aa_control: bool = True
    multi_gpu: bool = True
    accuracy_only: list[str] = field(default_factory=list)
    keep_logits: bool = False
    strict: bool = False
    lock_directory: str | None = None
    lock_timeout_s: float | None = None
    stop_early: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "batch_sizes", [int(size) for size in self.batch_sizes])
        object.__setattr__(self, "accuracy_only", [str(name) for name in self.accuracy_only])
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
        patience = 0.0 if self.lock_timeout_s is None else self.lock_timeout_s
        expected = f"0 or more seconds, up to {MOST_SECONDS:g}, or null"
        _require(0 <= patience <= MOST_SECONDS, "lock_timeout_s", self.lock_timeout_s, expected)
        share = self.stop_early
        _require(share is None or 0 < share <= 1, "stop_early", share, "null, or a share above 0, at most 1")
        for name in ("interval_target", "chance_margin"):
            _require(0 < getattr(self, name) < 1, name, getattr(self, name), "a share between 0 and 1")

    def run(
        self,
        *,
        engines: Path,
        precisions: Mapping[str, Precision],
        backends: Mapping[str, Backend],
        prepared: Prepared,
        platform: Platform,
        metrics: Path,
        predictions: Path,
        timings: Path,
    ) -> Metrics:
        """Measure the cells of `precisions` and `backends` under `engines`; write metrics, predictions and raw timings.

        Cells and batch sizes that fail are rows, too. Raises GateError, and writes nothing, where no FP32 cell runs,
        the reference is at chance level, or nothing at all could be measured.
        """
        cells, missing = find_cells(engines, precisions, backends), Missing()
        chance = chance_level(prepared.split("test").labels, len(prepared.manifest.classes))
        with whole_directory(predictions, own.predictions) as folder, Workers() as workers:
            run = AccuracyRun(prepared, folder, platform, self.strict, self._locking())
            answered, reference, stop = self._answers(
                cells, run, self._spread(cells, platform, workers), missing, chance
            )
            labels = prepared.split("test").labels
            accuracies = accuracies_of(answered, reference, labels, stop)
            refuse_chance_level(reference, accuracies[reference], chance, self.chance_margin)
            timed = [each for each in answered if each.cell.backend not in self.accuracy_only]
            plan = self._plan(accuracies, reference, stop)
            speeds = self._measure_speed(timed, plan, prepared, platform, workers)
            workers.dismiss()
            merged = merged_speeds([speed for _, speed in speeds])
            rows = put_together(cells, Parts(answered, accuracies, missing, merged))
            refuse_empty(rows)
            result = Metrics(
                platform=platform,
                reference=reference,
                method=self._method(prepared, chance, speeds, precisions),
                cells=rows,
            )
            save_predictions(answered, labels, folder, self.keep_logits)
        save_timings({name: timing for _, speed in speeds for name, timing in speed.timings.items()}, timings)
        write_metrics(result, metrics)
        return result

    def _spread(self, cells: Sequence[Cell], platform: Platform, workers: Workers) -> Spread:
        on_gpu = self.multi_gpu and any(cell.built.measured and cell.loader.on_gpu for cell in cells)
        return Spread(workers, equal_gpus(None, platform) if on_gpu else [])

    def _answers(
        self, cells: Sequence[Cell], run: AccuracyRun, spread: Spread, missing: Missing, chance: float
    ) -> tuple[list[Answered], str, EarlyStop | None]:
        """The cells that answer and compute what they claim, the name of the reference among them, what stopped them.

        Those that may be the reference come first, since the others stop by comparing with it.
        """
        test = run.prepared.split("test")
        later = [cell for cell in cells if self.stop_early is not None and cell.precision != REFERENCE_PRECISION]
        strict = StrictAnswers(test.images)
        answered = infer(
            [cell for cell in cells if cell not in later],
            test.images,
            run,
            missing,
            spread,
            meanwhile=partial(_prepared, strict, cells),
        )
        chosen = choose_reference(answered, strict, missing, self.strict)
        if chosen is None:
            raise no_reference(cells, missing)
        reference, exact = chosen
        stop = self._early_stop(test, reference.logits, chance)
        answered += infer(later, test.images, run, missing, spread, stop) if stop else []
        against = reference.logits if exact is None else exact
        others = [each for each in answered if each.name not in {reference.name, *missing}]
        rounding = rounding_of(reference.cell, test.images, against)
        labelled = [with_effective_precision(each, against, rounding, missing, self.strict) for each in others]
        return [reference, *(each for each in labelled if each is not None)], reference.name, stop

    def _early_stop(self, test: Split, reference: Logits, chance: float) -> EarlyStop | None:
        if self.stop_early is None:
            return None
        return EarlyStop.of(self.stop_early, self.seed, test.labels, reference, chance, self.chance_margin)

    def _method(
        self,
        prepared: Prepared,
        chance: float,
        speeds: list[tuple[str, DeviceSpeed]],
        precisions: Mapping[str, Precision],
    ) -> Method:
        return Method(
            evaluate=asdict(self),
            precisions={name: types_of(precision) for name, precision in precisions.items()},
            test_set=_test_set(prepared),
            chance=chance,
            devices={device: speed.report for device, speed in speeds},
            origin=origin_of(Path()),
        )

    def _measure_speed(
        self,
        answered: Sequence[Answered],
        plan: SpeedPlan,
        prepared: Prepared,
        platform: Platform,
        workers: Workers,
    ) -> list[tuple[str, DeviceSpeed]]:
        from roundoff.measurement.multi_gpu import measure_on_several
        from roundoff.measurement.speed import measure_device

        devices: dict[str, list[Answered]] = {}
        for each in answered:
            devices.setdefault(each.device, []).append(each)
        speeds: list[tuple[str, DeviceSpeed]] = []
        for device, members in devices.items():
            gpus = equal_gpus(device, platform) if self.multi_gpu else []
            if len(gpus) > 1:
                speeds += measure_on_several(workers, gpus, members, plan, prepared, platform)
            else:
                speeds.append((device, measure_device(device, members, plan, prepared.split("test").images)))
        return speeds

    def schedule(self) -> Schedule:
        """The part of this that the timing loop needs."""
        from roundoff.measurement.enough import Schedule

        return Schedule(
            warmup_ms=self.warmup_ms,
            warmup_runs=self.warmup_runs,
            min_seconds=self.min_seconds,
            budget_seconds=self.budget_seconds,
            min_loads=self.min_loads,
            rounds_per_load=self.rounds_per_load,
            interval_target=self.interval_target,
            early_loads=None if self.stop_early is None else FEWEST_FOR_SEQUENCE,
        )

    def _locking(self) -> Locking:
        return Locking(self.lock_directory, self.lock_timeout_s)

    def _plan(self, accuracies: Mapping[str, Accuracy], reference: str, stop: EarlyStop | None) -> SpeedPlan:
        passing = {name for name, each in accuracies.items() if stop and (name == reference or stop.kept(each))}
        return SpeedPlan(
            schedule=self.schedule(),
            batch_sizes=self.batch_sizes,
            input_buffers=self.input_buffers,
            energy_seconds=self.energy_seconds,
            aa_control=self.aa_control,
            seed=self.seed,
            strict=self.strict,
            locking=self._locking(),
            passing=frozenset(passing),
            lossless=frozenset(name for name in passing if name == reference or without_loss(accuracies[name])),
        )


def _prepared(strict: StrictAnswers, cells: Sequence[Cell]) -> None:
    """Have at hand what this process needs as soon as the test set was run: strict FP32's answers, and libraries."""
    from scipy import optimize, stats  # noqa: F401

    import roundoff.measurement.multi_gpu  # noqa: F401

    strict.prepare(cells)


def types_of(precision: Precision) -> Types:
    """A precision's types, as metrics tell them."""
    return Types(precision.weights, precision.activations, precision.remainder)


def _test_set(prepared: Prepared) -> str | None:
    """One hash of the test split's files, by which two runs tell whether they answered the same question."""
    hashes = prepared.manifest.hashes
    parts = [hashes[name] for name in sorted(hashes) if name.startswith("test_")]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest() if parts else None


def _require(holds: bool, name: str, received: object, expected: str) -> None:
    require(holds, f"evaluate.{name}", received, expected)
