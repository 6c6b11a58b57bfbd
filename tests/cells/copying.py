"""A backend and precisions that do next to nothing."""

from dataclasses import dataclass, field
from typing import ClassVar

import onnx

from roundoff.backend.base import Backend
from roundoff.cells.store import (
    build_cell,
)
from roundoff.errors import Unavailable
from roundoff.precision.base import Precision
from roundoff.results.build import BuildInfo
from roundoff.results.platform import Cpu, Platform

MACHINE = Platform(id="abc", cpu=Cpu(model="Z80", cores=1), libraries={"fake": "1.0"})


@dataclass(frozen=True)
class Copying(Backend):
    """Ships the graph as it is, and remembers nothing."""

    artifact: ClassVar[str] = "model.bin"
    bound_to: ClassVar[tuple[str, ...]] = ("cpu.model", "libraries.fake")

    threads: int = 1
    refuses: str | None = None
    fails: bool = False
    sizes: list[int] = field(default_factory=list)

    def refusal(self, precision):
        return self.refuses

    def build(self, source, directory):
        if source.log:
            source.log.parent.mkdir(parents=True, exist_ok=True)
            source.log.write_text("x" * 1000)
        (directory / "notes.txt").write_text("x" * 1000)
        if self.fails:
            raise Unavailable("no such unit")
        (directory / self.artifact).write_bytes(source.graph.read_bytes())
        return BuildInfo(build_warnings=1)

    def load(self, directory):
        return (directory / self.artifact).read_bytes()


@dataclass(frozen=True)
class FromKeras(Copying):
    takes_onnx: ClassVar[bool] = False

    def build(self, source, directory):
        (directory / self.artifact).write_bytes(source.keras.read_bytes())
        return BuildInfo()


@dataclass(frozen=True)
class Varying(Copying):
    """Builds differ, but for the third, which is the second once more."""

    repeats: int = 1

    def build(self, source, directory):
        (directory / self.artifact).write_bytes(b"again" if source.again else b"first")
        return BuildInfo()


@dataclass(frozen=True)
class Renamed(Precision):
    """A conversion that shows: the graph gets the name of the table's method."""

    weights: ClassVar[str] = "float32"
    activations: ClassVar[str] = "float32"

    def convert(self, model, grid, table):
        converted = onnx.ModelProto()
        converted.CopyFrom(model)
        converted.graph.name = f"{grid.activation} {table.provenance.method if table else None}"
        return converted


@dataclass(frozen=True)
class Calibrated(Renamed):
    needs_calibration: ClassVar[bool] = True


def build(inputs, directory, backend=None, precision=None):
    return build_cell("copying", backend or Copying(), "fp32", precision or Renamed(), inputs, directory)
