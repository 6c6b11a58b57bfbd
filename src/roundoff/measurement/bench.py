"""The bench: cells of one device, which are loaded and bound to their inputs again and again."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roundoff.backend.base import Binding, Runner
from roundoff.dataset.base import Images
from roundoff.measurement.answered import Answered
from roundoff.measurement.energy import Meter, energy_per_image, meter_for
from roundoff.measurement.figures import CONTROL, entry_name, twin_of
from roundoff.measurement.heap_layout import scatter
from roundoff.measurement.output_check import Answers, check_outputs
from roundoff.measurement.plan import SpeedPlan
from roundoff.measurement.samples import turn
from roundoff.results.cell import BindingInfo, Energy
from roundoff.results.message import Message, message
from roundoff.results.shortfall import Shortfall, ends_all, raise_strictly, shortfall, tolerated
from roundoff.system.at_work import at_work


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
    missing: dict[str, Shortfall] = field(default_factory=dict)  # by entry: why it is timed no more
    loads: int = 0

    def __post_init__(self) -> None:
        self.inputs = {size: self._indices(size) for size in self.plan.batch_sizes}
        self.loaders = {each.name: each for each in self.cells}
        self.load_ms: dict[str, list[float]] = {each.name: [] for each in self.cells}
        self.twin = twin_of(self.cells, self.plan)
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

    def first_load(self, cells: Sequence[str] | None = None) -> list[str]:
        """Load each alone, not timed: which entries there are, and that their outputs are right.

        `cells` are those to load, where equal devices share this, too; None: all.
        """
        names: list[str] = []
        for name in self.loaders if cells is None else cells:
            answered = self.loaders[name]
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
        builds = {cell: self._build(cell) for cell in wanted}
        self.loads += 1
        random, blocks = np.random.default_rng((self.plan.seed, self.loads, self.plan.place)), []
        with ExitStack() as stack:
            bounds: dict[str, Binding] = {}
            for cell, sizes in wanted.items():
                blocks.append(scatter(random))
                bounds |= self._opened(cell, builds[cell], sizes, stack)
            yield bounds
            for name, bound in bounds.items():
                if name not in self.missing:
                    self._look_after(name, builds[name.rsplit("/batch_", 1)[0]], bound)

    def _build(self, cell: str) -> Path:
        known = self.loaders[cell].cell.builds
        return known[turn(self.loads, self.plan.place, len(known))]

    def _look_after(self, name: str, build: Path, bound: Binding) -> None:
        """What a binding tells of itself, and its outputs after it was timed."""
        if name not in self.info:
            with self._tolerated([name], message("doing_looking")), at_work(f"looking at {name}"):
                self.info[name] = bound.info()
        if name not in self.missing and (name, build) not in self.checked_after:
            self._check_outputs(name, self.loaders[name.rsplit("/batch_", 1)[0]], bound)
            self.checked_after.add((name, build))

    def _opened(self, name: str, build: Path, sizes: Sequence[int], stack: ExitStack) -> dict[str, Binding]:
        """Loaded and bound to the batch sizes that fit, each as an entry; the others' rows say why they do not."""
        entries, bounds = [entry_name(name, size) for size in sizes], dict[str, Binding]()
        with self._tolerated(entries, message("doing_loading"), build), at_work(f"loading {name} to time it"):
            runner = self._loaded(name, build)
            stack.callback(self._free, entries, runner)
            bounds = self._bind(name, build, runner, sizes, stack)
            if name != CONTROL and not self.loads:  # alone on the device, as later loads are not
                self.memory_mb[name] = runner.memory_mb()
        return {entry: bound for entry, bound in bounds.items() if entry not in self.missing}

    def _free(self, entries: Sequence[str], resource: Runner | Binding) -> None:
        with self._tolerated(entries, message("doing_freeing")), at_work(f"freeing {', '.join(entries)}"):
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
            with self._tolerated([entry], message("doing_inputs"), build), at_work(f"laying out the inputs of {entry}"):
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
        with self._tolerated([entry], message("doing_outputs")), at_work(f"checking the outputs of {entry}"):
            expected = np.concatenate([answered.logits[row] for row in self.inputs[bound.batch_size]])
            answers = check_outputs(answered.name, bound, expected, answered.relative_error)
            self.answers[entry] = answers.worst(self.answers.get(entry))

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
        doing = message("doing_energy")
        with tolerated(doing, partial(self._note_energy, name), self.plan.strict), at_work(f"energy of {name}"):
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
