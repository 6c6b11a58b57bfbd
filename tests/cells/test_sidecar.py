"""What stands beside an engine."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from omegaconf import OmegaConf
from onnx import TensorProto, helper

from roundoff.cells.sidecar import read_cell
from roundoff.cells.store import open_cell
from roundoff.errors import BuildError
from roundoff.precision.fp16 import Fp16
from roundoff.results.build import BuildInfo
from roundoff.system.files import sha256_of
from roundoff.system.slots import build_stage
from tests.cells.copying import MACHINE, Copying, build


def test_sidecar_says_what_was_built_from_what(inputs, directory):
    metrics, sidecar = build(inputs, directory, Copying(threads=3)), read_cell(directory)
    assert (metrics.status, metrics.size_mb) == (sidecar.status, sidecar.size_mb)
    assert (sidecar.status, sidecar.reason, sidecar.build_info) == ("built", None, BuildInfo(build_warnings=1))
    assert sidecar.backend.name == "copying"
    assert sidecar.backend.config == {"threads": 3, "refuses": None, "fails": False, "sizes": []}
    assert sidecar.precision.type.endswith("Renamed")
    assert sidecar.sources == {"onnx": sha256_of(inputs.onnx)}
    assert sidecar.fingerprint == MACHINE
    assert set(sidecar.files) == set(metrics.sha256) == {"graph.onnx", "model.bin", "notes.txt"}
    assert metrics.build_s > 0


def test_a_folder_without_a_sidecar_is_refused(tmp_path):
    with pytest.raises(BuildError, match=r"cell\.json"):
        read_cell(tmp_path)


@pytest.mark.parametrize("content", ['{"format": 1', "[]", '{"format": 99}'])
def test_a_broken_or_foreign_sidecar_is_refused(tmp_path, content):
    (tmp_path / "cell.json").write_text(content)
    with pytest.raises(BuildError, match=r"cell\.json"):
        read_cell(tmp_path)


def rewrite(directory, change):
    path = directory / "cell.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(("precision", "backend"), [("int8", "copying"), ("fp32", "other")])
def test_the_sidecar_of_another_cell_is_refused(inputs, directory, precision, backend):
    build(inputs, directory)
    place = directory.parents[1] / precision / backend
    place.parent.mkdir(parents=True, exist_ok=True)
    directory.rename(place)
    with pytest.raises(BuildError, match=f"(?s)the sidecar of fp32/copying.*that of {precision}/{backend}"):
        read_cell(place)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(files={}),
        lambda c: c.update(build_info=None),
        lambda c: c.update(size_mb=None),
        lambda c: c.update(size_mb=-1),
        lambda c: c.update(status="failed"),
        lambda c: c.update(status="unavailable", files={}),
        lambda c: c["files"].update({"../x": {"sha256": "0" * 64, "bytes": 1}}),
        lambda c: c["files"].update({"/etc/passwd": {"sha256": "0" * 64, "bytes": 1}}),
        lambda c: c["files"]["model.bin"].update(sha256=""),
        lambda c: c["files"]["model.bin"].update(bytes=-1),
    ],
)
def test_a_sidecar_that_no_build_writes_is_refused(inputs, directory, change):
    build(inputs, directory)
    rewrite(directory, change)
    with pytest.raises(BuildError, match=r"must not be used as it is"):
        read_cell(directory)


@pytest.mark.parametrize("name", ["model.bin", "graph.onnx"])
def test_a_file_that_no_hash_is_known_of_is_not_loaded(inputs, directory, name):
    build(inputs, directory)
    rewrite(directory, lambda content: content["files"].pop(name))
    with pytest.raises(BuildError, match=f"no hash of {name}"):
        open_cell(Copying(), directory, MACHINE)


def test_a_size_that_is_not_the_artifacts_is_refused(inputs, directory):
    build(inputs, directory)
    rewrite(directory, lambda content: content.update(size_mb=1.0))
    with pytest.raises(BuildError, match=r"size_mb 1\.0"):
        open_cell(Copying(), directory, MACHINE)


def test_sidecar_is_plain_json(inputs, directory):
    build(inputs, directory)
    assert json.loads(Path(directory, "cell.json").read_text())["format"] == 3


def test_lists_of_a_configuration_are_recorded(inputs, directory):
    sizes: Any = OmegaConf.create([1, 2])
    build(inputs, directory, Copying(sizes=sizes))
    assert read_cell(directory).backend.config["sizes"] == [1, 2]


def test_what_the_conversion_keeps_in_float32_stands_among_the_notes(inputs, directory):
    factor = helper.make_tensor("factor", TensorProto.FLOAT, [], [0.5])
    model = onnx.load(inputs.onnx)
    model.graph.node[0].output[0] = "pixels"
    model.graph.node.append(helper.make_node("Add", ["pixels", "pixels"], ["twice"], "double"))
    model.graph.node.append(helper.make_node("MatMul", ["twice", "weight"], ["mixed"], "mix"))
    model.graph.node.append(helper.make_node("Mul", ["mixed", "mixed"], ["squares"], "square"))
    model.graph.node.append(helper.make_node("Add", ["squares", "squares"], ["sums"], "sum"))
    model.graph.node.append(helper.make_node("Mul", ["sums", "factor"], ["logits"], "halve"))
    weight = helper.make_tensor("weight", TensorProto.FLOAT, [3, 3], np.eye(3).ravel())
    model.graph.initializer.extend([factor, weight])
    model.opset_import[0].version, model.ir_version = 18, 9
    onnx.save(model, inputs.onnx)
    images = np.full((2, 2, 2, 3), 100, np.uint8)
    told = build(replace(inputs, calibration=images), directory, precision=Fp16()).build_info
    assert told is not None
    assert [note.code for note in told.notes] == ["kept_for_overflows"]
    assert "sums (8e+04)" in str(told.notes[0])
    assert read_cell(directory).build_info == told


def test_a_stage_is_named_as_dvc_names_it():
    assert [build_stage(name) for name in ("fp32", "int8", "fp8")] == ["build-fp32", "build-int8", "build-more@fp8"]
