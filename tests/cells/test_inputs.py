"""What a backend builds from."""

import shutil
from dataclasses import dataclass, replace
from typing import ClassVar

import onnx
import pytest

from roundoff.cells.sidecar import read_cell
from roundoff.precision.given import Given
from roundoff.results.build import BuildInfo
from roundoff.results.message import message
from roundoff.system.files import sha256_of
from tests.cells.copying import Calibrated, Copying, FromKeras, build
from tests.support.present import present


def test_a_backend_of_keras_models_is_unavailable_without_one(inputs, directory):
    sidecar = build(replace(inputs, keras=None), directory, FromKeras())
    assert sidecar.status == "unavailable"
    assert sidecar.reason.code == "no_keras"
    build(inputs, directory, FromKeras())
    assert read_cell(directory).sources == {"keras": sha256_of(inputs.keras)}


@dataclass(frozen=True)
class FromTflite(Copying):
    takes_onnx: ClassVar[bool] = False
    takes_tflite: ClassVar[bool] = True

    def build(self, source, directory):
        (directory / self.artifact).write_bytes(source.tflite.read_bytes() + source.table.name.encode())
        return BuildInfo()


def test_a_backend_of_float_tflite_models_says_why_there_is_none(inputs, directory):
    missing = replace(inputs, why_no_tflite=message("no_keras_but_onnx"))
    assert build(missing, directory, FromTflite()).reason == message("no_keras_but_onnx")


def test_a_cell_of_a_float_tflite_model_is_of_what_chose_its_ranges_too(inputs, directory, tmp_path):
    (tmp_path / "model.tflite").write_bytes(b"float")
    build(replace(inputs, keras=None, tflite=tmp_path / "model.tflite"), directory, FromTflite(), Calibrated())
    sidecar = read_cell(directory)
    assert set(sidecar.sources) == {"tflite", "onnx", "calibration", "images"}
    assert sidecar.sources["tflite"] == sha256_of(tmp_path / "model.tflite")
    assert (directory / "model.bin").read_bytes() == b"floattable.json"


def test_a_table_reaches_only_the_precision_that_needs_it(inputs, directory):
    build(inputs, directory, precision=Calibrated())
    assert onnx.load(directory / "graph.onnx").graph.name == "int8 minmax"
    assert read_cell(directory).sources["calibration"] == sha256_of(inputs.table)
    build(inputs, directory)
    assert "calibration" not in read_cell(directory).sources
    assert onnx.load(directory / "graph.onnx").graph.name == "int8 None"


def test_a_backend_that_takes_keras_gets_no_graph(inputs, directory):
    build(inputs, directory, FromKeras(), Calibrated())
    assert set(read_cell(directory).files) == {"model.bin"}
    assert set(read_cell(directory).sources) == {"keras", "images"}


@dataclass(frozen=True)
class OfTflite(FromKeras):
    takes_tflite: ClassVar[bool] = True

    def build(self, source, directory):
        (directory / self.artifact).write_bytes(source.given.read_bytes())
        return BuildInfo(notes=[message("weights_widened")])


@pytest.mark.parametrize(
    ("name", "backend", "reason"),
    [
        ("q.onnx", Copying(), None),
        ("q.tflite", OfTflite(), None),
        ("q.onnx", OfTflite(), "given_is_onnx"),
        ("q.tflite", Copying(), "given_is_tflite"),
        ("q.tflite", FromKeras(), "given_is_tflite"),
    ],
)
def test_a_given_graph_is_built_by_what_reads_it(inputs, directory, name, backend, reason):
    given = inputs.onnx.with_name(name)
    shutil.copy(inputs.onnx, given)
    inputs = replace(inputs, keras=None, table=None, given=given)
    built = build(inputs, directory, backend, Given(f"/elsewhere/{name}"))
    sidecar = read_cell(directory)
    assert sidecar.sources == {"given": sha256_of(given)}
    assert (sidecar.precision.weights, sidecar.ranges) == ("int8", None)
    if reason:
        assert (built.status, built.reason) == ("unavailable", message(reason))
        return
    assert onnx.load(directory / "model.bin").graph == onnx.load(given).graph
    assert built.size_mb == (directory / "model.bin").stat().st_size / 1e6
    assert present(sidecar.build_info).notes[0] == message("given_file", file=name)
