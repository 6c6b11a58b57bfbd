"""Several GPUs that are none: engines that take a known time on each, and processes that are calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from roundoff.backend.base import Binding, Runner
from roundoff.cells.cell import Cell
from roundoff.measurement.answered import Answered
from roundoff.measurement.enough import Schedule
from roundoff.measurement.logits_file import LogitsFile
from roundoff.measurement.multi_gpu import measure_on_several
from roundoff.measurement.plan import SpeedPlan
from roundoff.results.cell import CellMetrics
from roundoff.results.platform import Platform

IMAGES = np.random.default_rng(0).integers(0, 256, (16, 2, 2, 3), dtype=np.uint8)
SIZES = [1, 8]
MS = {"fp32": 0.4, "fp16": 0.1}
NAMES = [f"{name}/gpu" for name in MS]
SCHEDULE = Schedule(
    warmup_ms=1,
    warmup_runs=1,
    min_seconds=0.05,
    budget_seconds=0.4,
    min_loads=12,
    rounds_per_load=2,
    interval_target=0.01,
)
PLAN = SpeedPlan(SCHEDULE, batch_sizes=SIZES, input_buffers=2, energy_seconds=0.01, aa_control=True, seed=0)


def answers(images: Any) -> Any:
    """The logits of images, float32 [n, 2]."""
    return np.stack([images.mean(axis=(1, 2, 3)), images.std(axis=(1, 2, 3))], axis=1).astype(np.float32)


@dataclass
class World:
    """What the GPUs do: which has the word, milliseconds by precision, factors by GPU, and what goes wrong where."""

    ms: dict[str, float]
    slower: dict[str, float] = field(default_factory=dict)
    noise: float = 0.0  # standard deviation, from load to load
    shaky: dict[str, float] = field(default_factory=dict)  # the same by precision, where it differs
    fault: Callable[[str, str, int], None] = lambda gpu, cell, batch_size: None  # called before timed runs
    gpu: str = ""
    loads: list[tuple[str, str, str]] = field(default_factory=list)  # GPU, precision, build
    open: int = 0

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(1)


@dataclass
class Ticking(Binding):
    """Runs that take what they are said to take, and no time."""

    world: World
    precision: str
    batches: Sequence[Any]
    factor: float

    def __post_init__(self) -> None:
        self.batch_size = len(self.batches[0])

    def times(self, runs: int, factor: float) -> Any:
        self.world.fault(self.world.gpu, self.precision, self.batch_size)
        ms = self.world.ms[self.precision] * self.world.slower.get(self.world.gpu, 1.0)
        return np.full(runs, factor * self.factor * ms * self.batch_size)

    def device_only(self, runs):
        return self.times(runs, 1)

    def end_to_end(self, runs):
        return self.times(runs, 2)

    def stream(self, runs):
        return float(self.times(runs, 1).sum() / 1e3)

    def poison(self):
        pass

    def outputs(self, transfers):
        return [answers(batch) for batch in self.batches]


@dataclass
class TickingRunner(Runner):
    world: World
    precision: str
    factor: float

    def infer(self, images):
        return answers(images)

    def bind(self, batches):
        return Ticking(self.world, self.precision, batches, self.factor)

    def memory_mb(self):
        return 10.0 * self.world.slower.get(self.world.gpu, 1.0)

    def close(self):
        self.world.open -= 1


@dataclass
class Loader:
    world: World
    precision: str
    strict_fp32 = False

    def load(self, directory: Path) -> TickingRunner:
        self.world.loads.append((self.world.gpu, self.precision, directory.name))
        self.world.open += 1
        noise = self.world.shaky.get(self.precision, self.world.noise)
        return TickingRunner(self.world, self.precision, float(np.exp(self.world.random.normal(0, noise))))


def cells_in(folder: Path, world: World) -> list[Answered]:
    """A cell for each precision that the world knows, which has run the test set."""
    cells = []
    for name in world.ms:
        (folder / name).mkdir(exist_ok=True)
        loader: Any = Loader(world, name)
        written = LogitsFile(folder / f"{name}.npy", len(IMAGES))
        written.write(np.arange(len(IMAGES)), answers(IMAGES))
        cell = Cell(name, "gpu", loader, folder / name, CellMetrics(status="measured"))
        cells.append(Answered(cell, "GPU-0", written, None, relative_error=0.0))
    return cells


@dataclass
class Inline:
    """Processes of GPUs, named 0, 1, …, that are calls; `asked` is what they were asked for."""

    world: World
    devices: dict[str, str]
    asked: list[tuple[str, str]] = field(default_factory=list)

    def submit(self, gpu: str, work: Callable[[Any], Any], hand: Any) -> Future[Any]:
        done: Future[Any] = Future()
        self.asked.append((gpu, work.__name__))
        self.world.gpu = gpu
        try:
            done.set_result(work(hand))
        except Exception as error:
            done.set_exception(error)
        return done


class Prepared:
    """A dataset whose every split is the same images."""

    images = IMAGES

    def split(self, name):
        return self


def shared(
    folder: Path, world: World, gpus: int = 2, plan: SpeedPlan = PLAN, devices: dict[str, str] | None = None
) -> tuple[dict[str, Any], Inline]:
    """What so many GPUs find, by device, and the processes."""
    names = [str(gpu) for gpu in range(gpus)]
    workers: Any = Inline(world, devices or {name: f"GPU-{name}" for name in names})
    prepared: Any = Prepared()
    found = measure_on_several(workers, names, cells_in(folder, world), plan, prepared, Platform())
    assert world.open == 0
    return dict(found), workers
