"""What a backend is: it builds a graph into an artifact, and loads an artifact into a runner."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from roundoff.dataset.base import Images
from roundoff.errors import Unavailable
from roundoff.precision.base import Grid, Precision
from roundoff.results.build import BuildInfo, LayerTypes
from roundoff.results.cell import BindingInfo
from roundoff.results.message import Message, message
from roundoff.system.machine import library_versions

Logits = NDArray[np.float32]
Milliseconds = NDArray[np.float64]


@dataclass(frozen=True)
class Source:
    """What one cell is built from: the graph in its precision, or what else the backend takes, and calibration images.

    For a backend that does not take ONNX `graph` is the FP32 graph, `table` the calibration table's file (None where
    the precision needs none), and there is `tflite`, the float .tflite file, if it takes that, else `keras`. `again`
    asks for a further, independent build: nothing that an earlier one left in a cache may steer it. `log` is where the
    runtime's own words go. `given` is the file of a graph that is quantized already (see `Backend.takes_tflite`); for a
    backend of ONNX `graph` is the same.
    """

    name: str
    precision: Precision
    graph: Path
    keras: Path | None
    calibration: Images
    again: bool = False
    log: Path | None = None
    given: Path | None = None
    tflite: Path | None = None
    table: Path | None = None


@dataclass(frozen=True)
class Lack:
    """What a machine lacks to run a backend, and the command, or whatever else, that brings it."""

    what: str
    remedy: str


class Backend(ABC):
    """An inference runtime. A subclass is a frozen dataclass whose fields are its YAML's keys.

    `artifact` names the file of a cell that is shipped, so whose size counts. `bound_to` lists the dotted keys of the
    fingerprint that the artifact was made for: where one of them differs, it is not loaded. `libraries` are the
    distributions whose versions the fingerprint tells, under `libraries`, beside those that `bound_to` names there.
    `strict_fp32` says that its FP32 is a float32 product in full, so that other cells are best compared with it.
    `on_gpu` says that its engines run on an NVIDIA GPU, so that several equal ones can share their test set.
    `repeats` is how often an engine is built, where two builds from one graph may differ. `takes_onnx` says that it is
    built from an ONNX graph; `takes_tflite`, that it reads .tflite files: it is built from export's float one unless it
    takes ONNX, and a quantized one may be given to it. What takes neither is built from a Keras model.
    """

    artifact: ClassVar[str] = "model.engine"
    bound_to: ClassVar[tuple[str, ...]] = ()
    libraries: ClassVar[tuple[str, ...]] = ()
    strict_fp32: ClassVar[bool] = False
    on_gpu: ClassVar[bool] = False
    grid: ClassVar[Grid] = Grid()
    takes_onnx: ClassVar[bool] = True
    takes_tflite: ClassVar[bool] = False
    repeats: int = 1

    @property
    def starts_from(self) -> Literal["onnx", "tflite", "keras"]:
        """What its cells are built from where no graph is given."""
        if self.takes_onnx:
            return "onnx"
        return "tflite" if self.takes_tflite else "keras"

    @abstractmethod
    def refusal(self, precision: Precision) -> Message | str | None:
        """Why this backend cannot build the precision on this machine, for its row; None if it can."""

    def builds_on(self) -> str | None:
        """The device that `build` times its choices on ("cpu", or a GPU's UUID); None where it times nothing."""
        return None

    def lack(self) -> Lack | None:
        """What this machine lacks to run engines; None where nothing is known to be missing."""
        bound = (key.removeprefix("libraries.") for key in self.bound_to if key.startswith("libraries."))
        for name in sorted({*self.libraries, *bound}):
            if not library_versions([name]):
                return Lack(f"{name} is not installed", f"pip install {name}")
        return None

    @abstractmethod
    def build(self, source: Source, directory: Path) -> BuildInfo:
        """Write the artifact's files into `directory` and return what the metrics should say of it.

        One source gives the same bytes each time, where the runtime lets it: no times, no logs (see `Source.log`).
        Raises Unavailable where this machine cannot build it; whatever else it raises makes the cell a failed one.
        """

    @abstractmethod
    def load(self, directory: Path) -> Runner:
        """Load what `build` wrote; raises Unavailable where this machine cannot run it."""

    def layer_times(self, directory: Path, batches: Sequence[Images]) -> LayerTimer:
        """Load what `build` wrote such that each layer is timed as it runs; `batches` as in `Runner.bind`.

        Optional: a backend without it raises Unavailable, and its rows say so.
        """
        raise Unavailable(message("no_layer_times", backend=type(self).__name__))


class Runner(ABC):
    """A loaded engine. A context manager; `close` frees everything it holds."""

    device: str  # the timing lock's key: "cpu", or a GPU's UUID

    @abstractmethod
    def infer(self, images: Images) -> Logits:
        """Logits float32 [n, classes] of uint8 images [n, H, W, C]; any n, split as the engine needs."""

    @abstractmethod
    def bind(self, batches: Sequence[Images]) -> Binding:
        """Fix the batch size and lay out the inputs; timed runs rotate over `batches` (all of one size)."""

    def memory_mb(self) -> float | None:
        """Device memory held, in MB (10^6 bytes); None where the runtime does not tell."""
        return None

    def layer_types(self) -> LayerTypes | None:
        """What the loaded engine computes in, by its runtime's own account; None where it gives none.

        Types by NumPy's names, "unknown" among them.
        """
        return None

    @abstractmethod
    def close(self) -> None:
        """Free all resources; closing twice is harmless."""

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Binding(ABC):
    """An engine at one batch size with inputs and outputs in place: what gets timed. A context manager."""

    batch_size: int
    # How `alone` runs, to begin a sentence with; None where the timed modes run so themselves.
    alone_words: str | None = None

    @abstractmethod
    def device_only(self, runs: int) -> Milliseconds:
        """Milliseconds of each of `runs` inferences without transfers (CUDA events; on a CPU the call itself)."""

    @abstractmethod
    def end_to_end(self, runs: int) -> Milliseconds:
        """Milliseconds of each of `runs` inferences, host clock, from host input to host output."""

    @abstractmethod
    def stream(self, runs: int) -> float:
        """Seconds of host wall time for `runs` inferences back to back, transfers overlapped with compute."""

    @abstractmethod
    def poison(self) -> None:
        """Fill the outputs with NaN, so that an output that was never written shows."""

    @abstractmethod
    def outputs(self, transfers: bool) -> list[Logits]:
        """For each rotating input, logits [batch, classes] as `end_to_end` (`device_only`) runs leave them; copies."""

    def output(self, transfers: bool) -> Logits:
        """As `outputs`, of the first input alone."""
        return self.outputs(transfers)[0]

    def alone(self, runs: int) -> list[Logits]:
        """Logits [batch, classes] of `runs` runs of the first input, one by one, with nothing beside them."""
        return [self.output(transfers=True) for _ in range(runs)]

    def info(self) -> BindingInfo:
        """What the metrics should say of this binding, such as the use of a CUDA graph."""
        return BindingInfo()

    def close(self) -> None:  # noqa: B027 - nothing to free by default
        """Free what `bind` took."""

    def __enter__(self) -> Binding:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True)
class LayerTime:
    """One layer as the runtime ran it, with its milliseconds in each run [runs].

    `kind` is the operator by the runtime's own name. `nodes` are the nodes of the graph that the cell was built from:
    several where they were fused, which share the time; none for what the runtime has added. `computes_in` is the type
    that it reads, the weights' where it multiplies, by NumPy's name; `moved_bytes` what it reads and writes in one run,
    and `macs` its multiply-adds. None is what the runtime does not tell; costs are then taken from the nodes.
    """

    name: str
    kind: str
    times_ms: Milliseconds
    nodes: tuple[str, ...] = ()
    computes_in: str | None = None
    moved_bytes: int | None = None
    macs: int | None = None


class LayerTimer(ABC):
    """A loaded engine whose layers are timed as it runs. A context manager."""

    @abstractmethod
    def run(self, runs: int) -> None:
        """Run that often; inputs take turns."""

    @abstractmethod
    def layers(self) -> list[LayerTime]:
        """The layers in the order in which they run, of all runs so far; nothing is run afterwards."""

    def close(self) -> None:  # noqa: B027 - nothing to free by default
        """Free what it holds."""

    def __enter__(self) -> LayerTimer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
