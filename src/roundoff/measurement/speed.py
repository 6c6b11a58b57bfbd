"""Speed of the cells of one device: load time, latency, throughput and energy, under the device's lock."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roundoff.backend.base import Bound, Runner
from roundoff.cells.cell import REFERENCE_PRECISION, Cell
from roundoff.dataset.base import Images
from roundoff.errors import ConfigError
from roundoff.measurement.energy import Meter, energy_per_image, meter_for, monitor_for, no_energy
from roundoff.measurement.heap_layout import scatter
from roundoff.measurement.latency import batch_metrics, batch_without_figures
from roundoff.measurement.output_check import Answers, check_outputs
from roundoff.measurement.timing import Interleaved, Schedule, Timing
from roundoff.results.shortfall import Shortfall, raise_strictly, shortfall, tolerated
from roundoff.system.device_lock import device_lock
from roundoff.system.progress import progress_bar

CONTROL = "control"


@dataclass(frozen=True)
class SpeedPlan:
    """What to time: batch sizes, input buffers (`rotate`), seconds of energy, whether with a control; and its lock.

    With `strict` the first failure ends it; else what fails is a row, and the others go on.
    """

    schedule: Schedule
    batch_sizes: list[int]
    rotate: int
    energy_seconds: float
    control: bool
    seed: int
    strict: bool = False
    lock_directory: str | None = None


@dataclass(frozen=True)
class DeviceSpeed:
    """What was found: additions to the cells' rows by cell name, raw samples by entry name, facts on the device."""

    rows: dict[str, dict[str, Any]]
    timings: dict[str, Timing]
    report: dict[str, Any]


def measure_device(device: str, cells: list[Cell], plan: SpeedPlan, images: Images) -> DeviceSpeed:
    """Time `cells` (whose logits are known) on one device; images uint8 [N, H, W, C] are the test set.

    A batch size that fails, or whose timed mode computes something else than the accuracy run did, has no figures, and
    its row says why.
    """
    with device_lock(device, plan.lock_directory) as waited:
        bench = _Bench(cells, plan, images)
        names = bench.first_load()
        monitor = monitor_for(device)
        builds = max(len(cell.builds) for cell in cells)
        schedule = replace(plan.schedule, min_loads=max(plan.schedule.min_loads, builds))
        references = bench.references(names)
        loop = Interleaved(names, bench.fresh, references, schedule, monitor, plan.seed, on_error=bench.drop)
        with _timing_bar(device, loop) as show:
            loop.run(show)
        bench.fill_rows(loop)
        bench.measure_energy(device)
    kept = {name: timing for name, timing in loop.timings.items() if name not in bench.missing}
    timings = {name: timing for name, timing in kept.items() if not name.startswith(f"{CONTROL}/")}
    report = {
        "cells": [cell.name for cell in cells],
        "loads": loop.loads,
        "rounds": max((len(timing.blocks) for timing in loop.timings.values()), default=0),
        "repeated_rounds": loop.repeated_rounds,
        "waited_s": waited,
        "conditions": monitor.conditions(),
        "conditions_reason": monitor.reason,
        "control": bench.control(loop),
    }
    return DeviceSpeed(bench.rows, timings, report)


def entry_name(cell: str, batch_size: int) -> str:
    """What a cell at a batch size is called in the timing loop, and its file of raw samples."""
    return f"{cell}/batch_{batch_size}"


@dataclass
class _Bench:
    """Cells of one device, which are loaded and bound to their inputs again and again."""

    cells: list[Cell]
    plan: SpeedPlan
    images: Images
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    checked_after: set[tuple[str, Path]] = field(default_factory=set)
    answers: dict[str, Answers] = field(default_factory=dict)
    missing: dict[str, Shortfall] = field(default_factory=dict)  # by entry: why it is timed no more
    loads: int = 0

    def __post_init__(self) -> None:
        self.inputs = {size: self._indices(size) for size in self.plan.batch_sizes}
        self.loaders = {cell.name: cell for cell in self.cells}
        self.load_ms: dict[str, list[float]] = {cell.name: [] for cell in self.cells}
        fp32 = [cell for cell in self.cells if cell.precision == REFERENCE_PRECISION]
        self.twin = fp32[0] if fp32 and self.plan.control else None
        if self.twin is not None:
            self.loaders[CONTROL] = self.twin
            self.load_ms[CONTROL] = []

    def _indices(self, batch_size: int) -> NDArray[np.int64]:
        """Indices [rotate, batch] of the test images that are the timed inputs, in ascending order per buffer."""
        count, wanted = len(self.images), self.plan.rotate * batch_size
        random = np.random.default_rng((self.plan.seed, batch_size))
        chosen = random.choice(count, size=wanted, replace=wanted > count).reshape(self.plan.rotate, batch_size)
        return np.sort(chosen, axis=1).astype(np.int64)

    def first_load(self) -> list[str]:
        """Load all, not timed: which entries there are, and that their outputs are right."""
        names: list[str] = []
        self.rows = {cell.name: {} for cell in self.cells}
        for name, cell in self.loaders.items():
            with ExitStack() as stack:
                bounds = self._opened(name, cell.directory, list(self.inputs), stack)
                for entry, bound in bounds.items():
                    self._check_outputs(entry, cell, bound)
                names += bounds
        return [name for name in names if name not in self.missing]

    @contextmanager
    def fresh(self, names: Sequence[str]) -> Iterator[Mapping[str, Bound]]:
        """The named entries, their engines newly loaded, builds in turn.

        After the first time, still warm, each says its facts, and the outputs of each build are checked once.
        """
        wanted: dict[str, list[int]] = {}
        for name in (name for name in names if name not in self.missing):
            cell, batch = name.rsplit("/batch_", 1)
            wanted.setdefault(cell, []).append(int(batch))
        builds = {cell: known[self.loads % len(known)] for cell in wanted for known in [self.loaders[cell].builds]}
        self.loads += 1
        random, blocks = np.random.default_rng((self.plan.seed, self.loads)), []
        with ExitStack() as stack:
            bounds: dict[str, Bound] = {}
            for cell, sizes in wanted.items():
                blocks.append(scatter(random))
                bounds |= self._opened(cell, builds[cell], sizes, stack)
            yield bounds
            for name, bound in bounds.items():
                if name not in self.missing:
                    self._look_after(name, builds[name.rsplit("/batch_", 1)[0]], bound)

    def _look_after(self, name: str, build: Path, bound: Bound) -> None:
        """What a binding tells of itself, and its outputs after it was timed."""
        if name not in self.facts:
            with self._tolerated([name], "looking at how it runs"):
                self.facts[name] = bound.facts()
        if name not in self.missing and (name, build) not in self.checked_after:
            self._check_outputs(name, self.loaders[name.rsplit("/batch_", 1)[0]], bound)
            self.checked_after.add((name, build))

    def _opened(self, name: str, build: Path, sizes: Sequence[int], stack: ExitStack) -> dict[str, Bound]:
        """Loaded and bound to the batch sizes that fit, each as an entry; the others' rows say why they do not."""
        entries, bounds = [entry_name(name, size) for size in sizes], dict[str, Bound]()
        with self._tolerated(entries, "loading the engine", build):
            runner = self._loaded(name, build)
            stack.callback(self._free, entries, runner)
            bounds = self._bind(name, build, runner, sizes, stack)
            if name in self.rows and not self.loads:  # alone on the device, as later loads are not
                self.rows[name]["memory_mb"] = runner.memory_mb()
        return {entry: bound for entry, bound in bounds.items() if entry not in self.missing}

    def _free(self, entries: Sequence[str], resource: Runner | Bound) -> None:
        with self._tolerated(entries, "freeing the engine"):
            resource.close()

    def _loaded(self, name: str, build: Path) -> Runner:
        started = time.perf_counter()
        runner = self.loaders[name].loader.load(build)
        self.load_ms[name].append(1e3 * (time.perf_counter() - started))
        return runner

    def _bind(self, name: str, build: Path, runner: Runner, sizes: Sequence[int], stack: ExitStack) -> dict[str, Bound]:
        bounds = {}
        for size in sizes:
            entry = entry_name(name, size)
            with self._tolerated([entry], "laying out its inputs", build):
                bounds[entry] = bound = runner.bind(self._batches(size))
                stack.callback(self._free, [entry], bound)
        return bounds

    def _tolerated(
        self, entries: Sequence[str], doing: str, build: Path | None = None
    ) -> AbstractContextManager[None, bool]:
        """A context in which what goes wrong leaves the entries out; `build` is what was being loaded, if any was."""
        return tolerated(doing, lambda found: self._leave_out(entries, found, build), self.plan.strict)

    def drop(self, entry: str, error: Exception) -> None:
        """Leave out an entry that raised while it was timed."""
        if isinstance(error, ConfigError):
            raise error
        found = shortfall("a timed run", error)
        if self.plan.strict and found.status == "failed":
            raise_strictly(found, error)
        self._leave_out([entry], found)

    def _leave_out(self, entries: Sequence[str], found: Shortfall, build: Path | None = None) -> None:
        """Time these entries no more; the first reason stands."""
        for entry in entries:
            name, size = entry.rsplit("/batch_", 1)
            # alone, a cell's first build was tried at each batch size before the timed loads
            ran_alone = self.loads > 0 and build == self.loaders[name].directory and found.status == "unavailable"
            reason = f"{found.reason} (beside the other engines; alone it ran)" if ran_alone else found.reason
            first = self.missing.setdefault(entry, replace(found, reason=reason))
            if name in self.rows:
                self.rows[name][f"batch_{size}"] = batch_without_figures(first)
            elif self.twin is not None and found.repeat_spread is not None:
                # the control is the same engine: where it is not steady, its twin is not either
                self._leave_out([entry_name(self.twin.name, int(size))], found)

    def _batches(self, size: int) -> list[Images]:
        return [np.ascontiguousarray(self.images[row]) for row in self.inputs[size]]

    def _check_outputs(self, entry: str, cell: Cell, bound: Bound) -> None:
        assert cell.logits is not None
        expected = np.concatenate([cell.logits[row] for row in self.inputs[bound.batch_size]])
        with self._tolerated([entry], "checking its outputs"):
            found = check_outputs(cell.name, bound, expected, cell.row["numerics"]["relative_error"])
            self.answers[entry] = found.worst(self.answers.get(entry))

    def references(self, names: Sequence[str]) -> dict[str, str]:
        """For each entry, the fp32 entry of the same backend and batch size; for the control, its twin."""
        pairs = [(cell.name, f"{REFERENCE_PRECISION}/{cell.backend}") for cell in self.cells]
        if self.twin is not None:
            pairs.append((CONTROL, self.twin.name))
        wanted = {entry_name(a, size): entry_name(b, size) for a, b in pairs if a != b for size in self.inputs}
        return {name: reference for name, reference in wanted.items() if {name, reference} <= set(names)}

    def fill_rows(self, loop: Interleaved) -> None:
        """Turn load times and raw samples into each row's figures."""
        for cell in self.cells:
            row = self.rows[cell.name]
            row["load_ms"] = statistics.median(loads) if (loads := self.load_ms[cell.name]) else None
            for size in self.inputs:
                entry = entry_name(cell.name, size)
                if entry in loop.timings and entry not in self.missing:
                    with self._tolerated([entry], "putting its figures together"):
                        row[f"batch_{size}"] = self._batch(cell, size, loop)

    def _batch(self, cell: Cell, size: int, loop: Interleaved) -> dict[str, Any]:
        entry = entry_name(cell.name, size)
        # fp32 is its own reference: exactly 1, so that a table has no hole there.
        base = entry if cell.precision == REFERENCE_PRECISION else loop.references.get(entry)
        reference = loop.timings[base] if base and base not in self.missing else None
        facts, builds = self.facts[entry], len(cell.builds)
        found = batch_metrics(loop.timings[entry], reference, size, facts, loop.repeated_rounds, builds)
        why = None if reference else self._no_reference(cell, size)
        return found | asdict(self.answers[entry]) | {"speedup_reason": why}

    def _no_reference(self, cell: Cell, size: int) -> str:
        """Why there is no speed-up over FP32 on the same backend."""
        name = f"{REFERENCE_PRECISION}/{cell.backend}"
        missing = self.missing.get(entry_name(name, size))
        if missing is None:
            return f"{name} was not timed at batch size {size}"
        state = "failed" if missing.status == "failed" else "does not run"
        return f"{name} {state} at batch size {size}: {missing.reason}"

    def measure_energy(self, device: str) -> None:
        """Fill each row's `energy`, at the largest batch size that the cell takes."""
        meters: list[Meter] = []
        with tolerated("reading the energy counter", self._note_no_energy, self.plan.strict):
            meters.append(meter_for(device))
        for meter in meters:
            self._measure_energy(meter)

    def _measure_energy(self, meter: Meter) -> None:
        for name, row in self.rows.items():
            entries = {size: entry_name(name, size) for size in self.inputs}
            timed = [size for size, entry in entries.items() if entry in self.facts and entry not in self.missing]
            if not timed:
                row["energy"] = no_energy("none of the batch sizes runs")
                continue
            # another process may have taken the memory since, and a counter may be lost
            with tolerated("measuring energy", partial(self._note_energy, row), self.plan.strict):
                row["energy"] = self._energy(name, max(timed), meter)

    @staticmethod
    def _note_energy(row: dict[str, Any], found: Shortfall) -> None:
        row["energy"] = no_energy(f"{found.reason}: {found.detail}" if found.detail else found.reason)

    def _note_no_energy(self, found: Shortfall) -> None:
        for row in self.rows.values():
            self._note_energy(row, found)

    def _energy(self, name: str, size: int, meter: Meter) -> dict[str, Any]:
        with self._loaded(name, self.loaders[name].directory) as runner, runner.bind(self._batches(size)) as bound:
            return energy_per_image(bound, meter, self.plan.energy_seconds)

    def control(self, loop: Interleaved) -> dict[str, Any] | None:
        """What the same engine, loaded twice, differs by."""
        if self.twin is None:
            return None
        found: dict[str, Any] = {"cell": self.twin.name}
        for size in self.inputs:
            entry = entry_name(CONTROL, size)
            if entry in loop.references and not {entry, loop.references[entry]} & set(self.missing):
                measured = batch_metrics(loop.timings[entry], loop.timings[loop.references[entry]], size, {})
                found[f"batch_{size}"] = {key: value for key, value in measured.items() if "speedup" in key}
        return found


@contextmanager
def _timing_bar(device: str, loop: Interleaved) -> Iterator[Callable[[float], None]]:
    with progress_bar(f"timing on {device}", 100) as bar:
        shown = 0.0

        def show(share: float) -> None:
            nonlocal shown
            now = min(100.0, 100 * share)
            bar.advance(now - shown, f"load {loop.loads}")
            shown = now

        yield show
