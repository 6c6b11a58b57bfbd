"""A network's folder: what its configuration says, and which peers cannot quantize it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from benchmarks.commands import ROOT
from benchmarks.process import Ran
from benchmarks.zoo import pipeline
from benchmarks.zoo.networks import NETWORKS
from benchmarks.zoo.pipeline import Run, StageError
from benchmarks.zoo.slots import Slots


@pytest.fixture
def run(tmp_path):
    return Run(NETWORKS["torchvision_shufflenet"], tmp_path, Path("/data/images.zip"), Slots(1))


def test_the_configuration_is_of_the_network_and_of_the_given_graphs(run):
    run.given = {"given_nncf": Path("/made/nncf.onnx")}
    run.write_params(["fp32", "int8", "int8_int16"], evaluate={"accuracy_only": ["litert"]})
    params = yaml.safe_load((run.folder / "params.yaml").read_text())
    assert params["model"]["path"].endswith("torchvision_shufflenet.onnx")
    assert params["model"]["scale"] == "1/255"
    assert params["dataset"] | {"path": "/data/images.zip", "size": 64} == params["dataset"]
    assert params["more"].keys() == {"int8_int16"}
    assert params["given"] == {"given_nncf": {"_target_": "roundoff.precision.given.Given", "path": "/made/nncf.onnx"}}
    assert params["backends"].keys() == {"onnxruntime", "litert"}
    assert params["evaluate"]["accuracy_only"] == ["litert"]


def test_a_peer_that_cannot_or_does_not_quantize_is_refused_in_words(run, monkeypatch):
    def fails(self, name, *rest, **more):
        raise StageError(name, Ran(1, "", "error: no such operator", 1.0, 1.0))

    monkeypatch.setattr(Run, "ran", fails)
    monkeypatch.setattr(Run, "stage", lambda self, *rest: None)
    monkeypatch.setattr(pipeline, "missing", lambda name, python: "nncf" if name == "nncf" else None)
    run.quantize(None)
    assert run.refused["given_tflite"] == "TensorFlow's converter reads Keras models, and this one is an ONNX file"
    assert run.refused["given_nncf"] == "nncf is not installed"
    assert run.refused["given_onnxruntime"] == "quantize by onnxruntime: exit code 1: error: no such operator"
    assert run.given == {"given": NETWORKS["torchvision_shufflenet"].given}


def test_an_error_does_not_say_where_the_checkout_lies():
    error = StageError("build", Ran(1, "", f"loading\nerror: {ROOT}/build/vit.onnx\n is float", 1.0, 1.0))
    assert str(error) == "build: exit code 1: error: build/vit.onnx is float"


def test_a_draw_keeps_fp32_alone(run):
    for name in ("models/engines/fp32", "models/engines/int8", "given"):
        (run.folder / name).mkdir(parents=True)
        (run.folder / name / "file").touch()
    run.costs, run.refused = {"probe": {"seconds": 1.0, "peak_mb": 1.0}}, {"given_nncf": "why"}
    run.forget(keep_costs=False)
    assert [path.name for path in (run.folder / "models/engines").iterdir()] == ["fp32"]
    assert list((run.folder / "given").iterdir()) == []
    assert run.costs == run.refused == {}
