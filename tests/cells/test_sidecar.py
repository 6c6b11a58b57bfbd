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
