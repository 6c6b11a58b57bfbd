"""The bench: cells of one device, which are loaded and bound to their inputs again and again."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roundoff.backend.base import Binding, Runner
from roundoff.dataset.base import Images
from roundoff.measurement.answered import Answered
from roundoff.measurement.energy import Meter, energy_per_image, meter_for
from roundoff.measurement.heap_layout import scatter
from roundoff.measurement.latency import batch_metrics, batch_without_figures, speedup
from roundoff.measurement.output_check import Answers, check_outputs
from roundoff.measurement.plan import CellSpeed, SpeedPlan
from roundoff.measurement.timing import Interleaved
from roundoff.results.cell import Batch, BindingInfo, Energy, Speedup
from roundoff.results.message import Message, message
from roundoff.results.run import AaControl
from roundoff.results.shortfall import Shortfall, ends_all, raise_strictly, shortfall, tolerated
from roundoff.system.slots import REFERENCE_PRECISION

CONTROL = "aa_control"


def entry_name(cell: str, batch_size: int) -> str:
    """What a cell at a batch size is called in the timing loop, and its file of raw samples."""
    return f"{cell}/batch_{batch_size}"


@dataclass
class Bench:
    """Cells of one device, which are loaded and bound to their inputs again and again."""

    cells: Sequence[Answered]
    plan: SpeedPlan
    images: Images
    memory_mb: dict[str, float | None] = field(default_factory=dict)
    energy: dict[str, Energy] = field(default_factory=dict)
    info: dict[str, BindingInfo] = field(default_factory=dict)
    checked_after: set[tuple[str, Path]] = field(default_factory=set)
    answers: dict[str, Answers] = field(default_factory=dict)
    figures: dict[str, Batch] = field(default_factory=dict)
    missing: dict[str, Shortfall] = field(default_factory=dict)  # by entry: why it is timed no more
    loads: int = 0

    def __post_init__(self) -> None:
        self.inputs = {size: self._indices(size) for size in self.plan.batch_sizes}
        self.loaders = {each.name: each for each in self.cells}
        self.load_ms: dict[str, list[float]] = {each.name: [] for each in self.cells}
        fp32 = [each for each in self.cells if each.cell.precision == REFERENCE_PRECISION]
        self.twin = fp32[0] if fp32 and self.plan.aa_control else None
        if self.twin is not None:
            self.loaders[CONTROL] = self.twin
            self.load_ms[CONTROL] = []

    def _indices(self, batch_size: int) -> NDArray[np.int64]:
        """Indices [input_buffers, batch] of the test images that are the timed inputs, ascending in each buffer."""
        shared, wanted = self._answered_by_all(), self.plan.input_buffers * batch_size
        random, count = np.random.default_rng((self.plan.seed, batch_size)), len(shared)
        places = random.choice(count, size=wanted, replace=wanted > count).reshape(self.plan.input_buffers, batch_size)
        chosen = shared[places]
        return np.sort(chosen, axis=1).astype(np.int64)

    def _answered_by_all(self) -> NDArray[np.int64]:
        """The test images that every cell ran, int64 [n]: cells that stopped early saw a part, in one order."""
        parts = [each.rows for each in self.cells if each.rows is not None]
        return min(parts, key=len) if parts else np.arange(len(self.images))

    def first_load(self) -> list[str]:
        """Load all, not timed: which entries there are, and that their outputs are right."""
        names: list[str] = []
        for name, answered in self.loaders.items():
            with ExitStack() as stack:
                bounds = self._opened(name, answered.cell.directory, list(self.inputs), stack)
                for entry, bound in bounds.items():
                    self._check_outputs(entry, answered, bound)
                names += bounds
        return [name for name in names if name not in self.missing]

    @contextmanager
    def fresh(self, names: Sequence[str]) -> Iterator[Mapping[str, Binding]]:
        """The named entries, their engines newly loaded, builds in turn.

        After the first time, still warm, each says how it runs, and the outputs of each build are checked once.
        """
        wanted: dict[str, list[int]] = {}
        for name in (name for name in names if name not in self.missing):
            cell, batch = name.rsplit("/batch_", 1)
            wanted.setdefault(cell, []).append(int(batch))
        builds = {cell: known[self.loads % len(known)] for cell in wanted for known in [self.loaders[cell].cell.builds]}
        self.loads += 1
        random, blocks = np.random.default_rng((self.plan.seed, self.loads)), []
        with ExitStack() as stack:
            bounds: dict[str, Binding] = {}
            for cell, sizes in wanted.items():
                blocks.append(scatter(random))
                bounds |= self._opened(cell, builds[cell], sizes, stack)
            yield bounds
            for name, bound in bounds.items():
                if name not in self.missing:
                    self._look_after(name, builds[name.rsplit("/batch_", 1)[0]], bound)

    def _look_after(self, name: str, build: Path, bound: Binding) -> None:
        """What a binding tells of itself, and its outputs after it was timed."""
        if name not in self.info:
            with self._tolerated([name], message("doing_looking")):
                self.info[name] = bound.info()
        if name not in self.missing and (name, build) not in self.checked_after:
            self._check_outputs(name, self.loaders[name.rsplit("/batch_", 1)[0]], bound)
            self.checked_after.add((name, build))

    def _opened(self, name: str, build: Path, sizes: Sequence[int], stack: ExitStack) -> dict[str, Binding]:
        """Loaded and bound to the batch sizes that fit, each as an entry; the others' rows say why they do not."""
        entries, bounds = [entry_name(name, size) for size in sizes], dict[str, Binding]()
        with self._tolerated(entries, message("doing_loading"), build):
            runner = self._loaded(name, build)
            stack.callback(self._free, entries, runner)
            bounds = self._bind(name, build, runner, sizes, stack)
            if name != CONTROL and not self.loads:  # alone on the device, as later loads are not
                self.memory_mb[name] = runner.memory_mb()
        return {entry: bound for entry, bound in bounds.items() if entry not in self.missing}

    def _free(self, entries: Sequence[str], resource: Runner | Binding) -> None:
        with self._tolerated(entries, message("doing_freeing")):
            resource.close()

    def _loaded(self, name: str, build: Path) -> Runner:
        started = time.perf_counter()
        runner = self.loaders[name].cell.loader.load(build)
        self.load_ms[name].append(1e3 * (time.perf_counter() - started))
        return runner

    def _bind(
        self, name: str, build: Path, runner: Runner, sizes: Sequence[int], stack: ExitStack
    ) -> dict[str, Binding]:
        bounds = {}
        for size in sizes:
            entry = entry_name(name, size)
            with self._tolerated([entry], message("doing_inputs"), build):
                bounds[entry] = bound = runner.bind(self._batches(size))
                stack.callback(self._free, [entry], bound)
        return bounds

    def _tolerated(
        self, entries: Sequence[str], doing: Message, build: Path | None = None
    ) -> AbstractContextManager[None, bool]:
        """A context in which what goes wrong leaves the entries out; `build` is what was being loaded, if any was."""
        return tolerated(doing, lambda why: self._leave_out(entries, why, build), self.plan.strict)

    def drop(self, entry: str, error: Exception) -> None:
        """Leave out an entry that raised while it was timed."""
        if ends_all(error):
            raise error
        why = shortfall(message("doing_timed_run"), error)
        if self.plan.strict and why.status == "failed":
            raise_strictly(why, error)
        self._leave_out([entry], why)

    def _leave_out(self, entries: Sequence[str], why: Shortfall, build: Path | None = None) -> None:
        """Time these entries no more; the first reason stands."""
        for entry in entries:
            name, size = entry.rsplit("/batch_", 1)
            # alone, a cell's first build was tried at each batch size before the timed loads
            own_build = self.loaders[name].cell.directory
            ran_alone = self.loads > 0 and build == own_build and why.status == "unavailable"
            reason = message("beside_others", reason=why.reason) if ran_alone else why.reason
            self.missing.setdefault(entry, replace(why, reason=reason))
            if name == CONTROL and self.twin is not None and why.repeat_spread is not None:
                # the control is the same engine: where it is not steady, its twin is not either
                self._leave_out([entry_name(self.twin.name, int(size))], why)

    def _batches(self, size: int) -> list[Images]:
        return [np.ascontiguousarray(self.images[row]) for row in self.inputs[size]]

    def _check_outputs(self, entry: str, answered: Answered, bound: Binding) -> None:
        with self._tolerated([entry], message("doing_outputs")):
            expected = np.concatenate([answered.logits[row] for row in self.inputs[bound.batch_size]])
            answers = check_outputs(answered.name, bound, expected, answered.relative_error)
            self.answers[entry] = answers.worst(self.answers.get(entry))

    def references(self, names: Sequence[str]) -> dict[str, str]:
        """For each entry, the fp32 entry of the same backend and batch size; for the control, its twin."""
        pairs = [(each.name, f"{REFERENCE_PRECISION}/{each.cell.backend}") for each in self.cells]
        if self.twin is not None:
            pairs.append((CONTROL, self.twin.name))
        wanted = {entry_name(a, size): entry_name(b, size) for a, b in pairs if a != b for size in self.inputs}
        return {name: reference for name, reference in wanted.items() if {name, reference} <= set(names)}

    def batches(self, answered: Answered, loop: Interleaved) -> dict[int, Batch]:
        """By batch size the figures of its raw samples, or why there are none."""
        for size in self.inputs:
            entry = entry_name(answered.name, size)
            if entry in loop.timings and entry not in self.missing:
                with self._tolerated([entry], message("doing_figures")):
                    self.figures[entry] = self._batch(answered, size, loop)
        entries = {size: entry_name(answered.name, size) for size in self.inputs}
        figures = {size: self._without_figures(entry) or self.figures.get(entry) for size, entry in entries.items()}
        return {size: batch for size, batch in figures.items() if batch is not None}

    def _without_figures(self, entry: str) -> Batch | None:
        return batch_without_figures(self.missing[entry]) if entry in self.missing else None

    def speed(self, name: str, batches: dict[int, Batch]) -> CellSpeed:
        """All that was found of a cell."""
        loads = self.load_ms[name]
        return CellSpeed(
            load_ms=statistics.median(loads) if loads else None,
            memory_mb=self.memory_mb.get(name),
            energy=self.energy.get(name, Energy()),
            batches=batches,
        )

    def _batch(self, answered: Answered, size: int, loop: Interleaved) -> Batch:
        entry = entry_name(answered.name, size)
        # fp32 is its own reference: exactly 1, so that a table has no hole there.
        own = answered.cell.precision == REFERENCE_PRECISION
        base = entry if own else loop.references.get(entry)
        reference = loop.timings[base] if base and base not in self.missing else None
        builds = len(answered.cell.builds)
        batch = batch_metrics(loop.timings[entry], reference, size, self.info[entry], loop.repeated_rounds, builds)
        why = None if reference else self._no_reference(answered, size)
        return replace(batch, speedup_reason=why, **asdict(self.answers[entry]))

    def _no_reference(self, answered: Answered, size: int) -> Message:
        """Why there is no speed-up over FP32 on the same backend."""
        name = f"{REFERENCE_PRECISION}/{answered.cell.backend}"
        missing = self.missing.get(entry_name(name, size))
        if missing is None:
            return message("fp32_not_timed", cell=name, batch=size)
        return message(f"fp32_{missing.status}_at", cell=name, batch=size, reason=missing.reason)

    def largest(self, name: str) -> int | None:
        """The largest batch size that a cell was timed at."""
        entries = {size: entry_name(name, size) for size in self.inputs}
        timed = [size for size, entry in entries.items() if entry in self.info and entry not in self.missing]
        return max(timed, default=None)

    def measure_energy(self, device: str, sizes: Mapping[str, int | None]) -> None:
        """Each cell's energy at its batch size; None: there is none that it takes."""
        meters: list[Meter] = []
        with tolerated(message("doing_counter"), self._note_no_energy, self.plan.strict):
            meters.append(meter_for(device))
        for meter in meters:
            for name, size in sizes.items():
                self._measure_energy(name, size, meter)

    def _measure_energy(self, name: str, size: int | None, meter: Meter) -> None:
        if size is None:
            self.energy[name] = Energy(reason=message("no_batch_size_runs"))
            return
        # another process may have taken the memory since, and a counter may be lost
        with tolerated(message("doing_energy"), partial(self._note_energy, name), self.plan.strict):
            self.energy[name] = self._energy(name, size, meter)

    def _note_energy(self, name: str, why: Shortfall) -> None:
        reason = message("with_words", reason=why.reason, words=why.detail) if why.detail else why.reason
        self.energy[name] = Energy(reason=reason)

    def _note_no_energy(self, why: Shortfall) -> None:
        for each in self.cells:
            self._note_energy(each.name, why)

    def _energy(self, name: str, size: int, meter: Meter) -> Energy:
        directory = self.loaders[name].cell.directory
        with self._loaded(name, directory) as runner, runner.bind(self._batches(size)) as bound:
            return energy_per_image(bound, meter, self.plan.energy_seconds)

    def aa_control(self, loop: Interleaved) -> AaControl | None:
        """What the same engine, loaded twice, differs by."""
        if self.twin is None:
            return None
        speedups: dict[int, Speedup] = {}
        for size in self.inputs:
            entry = entry_name(CONTROL, size)
            if entry in loop.references and not {entry, loop.references[entry]} & set(self.missing):
                speedups[size] = speedup(loop.timings[entry], loop.timings[loop.references[entry]])
        return AaControl(cell=self.twin.name, batches=speedups)
