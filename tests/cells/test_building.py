"""Builds that cannot run here, and builds that fail."""

from dataclasses import dataclass

import pytest

from roundoff.cells.sidecar import read_cell
from roundoff.cells.store import (
    build_or_tell,
    open_cell,
)
from roundoff.errors import BuildError, GateError, Unavailable
from roundoff.results.message import message
from tests.cells.copying import MACHINE, Copying, Renamed, build


def test_a_refusal_leaves_the_sidecar_alone(inputs, directory):
    sidecar = build(inputs, directory, Copying(refuses="no kernels"))
    assert (sidecar.status, str(sidecar.reason)) == ("unavailable", "no kernels")
    assert [path.name for path in directory.iterdir()] == ["cell.json"]


def test_a_build_that_finds_itself_unavailable_leaves_the_sidecar_alone(inputs, directory):
    build(inputs, directory)
    assert str(build(inputs, directory, Copying(fails=True)).reason) == "no such unit"
    assert [path.name for path in directory.iterdir()] == ["cell.json"]


def test_a_failed_build_leaves_the_previous_cell(inputs, directory):
    build(inputs, directory)
    before = read_cell(directory)
    (inputs.onnx).write_bytes(b"not a graph")
    with pytest.raises(Exception, match="Error parsing message"):
        build(inputs, directory)
    assert read_cell(directory) == before
    assert [path.name for path in directory.parent.iterdir()] == ["copying"]


@dataclass(frozen=True)
class Breaking(Copying):
    """Raises what roundoff knows nothing of."""

    error: str = "RuntimeError"

    def build(self, source, directory):
        (directory / "build.log").write_text("x")
        raise {"RuntimeError": RuntimeError("kernel 7 missing"), "MemoryError": MemoryError()}[self.error]


def test_a_build_that_fails_is_a_sidecar_alone_with_the_reason_and_the_command(inputs, directory):
    build(inputs, directory)
    metrics = build_or_tell("copying", Breaking(), "fp32", Renamed(), inputs, directory)
    told = ("failed", message("doing_failed", doing=message("doing_build")), "RuntimeError: kernel 7 missing")
    for each in (metrics, read_cell(directory)):
        assert (each.status, each.reason, each.detail) == told
        assert each.rerun == "dvc repro -f build-fp32"
    assert [path.name for path in directory.iterdir()] == ["cell.json"]
    with pytest.raises(BuildError, match="kernel 7 missing"):
        open_cell(Breaking(), directory, MACHINE)


def test_a_strict_build_that_fails_is_an_error_and_the_previous_cell_stays(inputs, directory):
    build(inputs, directory)
    before = read_cell(directory)
    with pytest.raises(GateError, match=r"the build failed(.|\n)*kernel 7 missing") as error:
        build_or_tell("copying", Breaking(), "fp32", Renamed(), inputs, directory, strict=True)
    assert isinstance(error.value.__cause__, RuntimeError)
    assert read_cell(directory) == before


def test_a_build_without_memory_is_unavailable(inputs, directory):
    sidecar = build_or_tell("copying", Breaking(error="MemoryError"), "fp32", Renamed(), inputs, directory)
    assert (sidecar.status, sidecar.rerun) == ("unavailable", None)
    assert str(sidecar.reason).startswith("no memory left for the build")


@dataclass(frozen=True)
class Telling(Copying):
    """Fails with a message that names its own files."""

    lacks: bool = False

    def build(self, source, directory):
        raise (Unavailable if self.lacks else RuntimeError)(f"cannot read {source.graph}")


@pytest.mark.parametrize("lacks", [False, True])
def test_a_row_without_an_engine_is_the_same_bytes_each_time(inputs, directory, lacks):
    seen = []
    for _ in range(2):
        build_or_tell("copying", Telling(lacks=lacks), "fp32", Renamed(), inputs, directory)
        seen.append((directory / "cell.json").read_text())
    assert seen[0] == seen[1]
    assert f"cannot read {directory}/graph.onnx" in seen[0]
