"""A finished run in small: two precisions on ONNX Runtime and on a backend that starts from Keras; judged."""

import shutil
from dataclasses import replace

import numpy as np
import onnx
import pytest

from roundoff.backend.onnxrt.backend import OnnxRuntime
from roundoff.calibration.base import TensorRange
from roundoff.calibration.observing.table import CalibrationTable, Provenance
from roundoff.cells.inputs import Inputs
from roundoff.cells.store import build_cell
from roundoff.graph.provenance import write_provenance
from roundoff.graph.queries import model_hash
from roundoff.graph.reading import seal
from roundoff.precision.fp32 import Fp32
from roundoff.results.metrics import write_builds, write_metrics, write_verdict
from roundoff.shipping.pack import Order, ship
from roundoff.system.files import sha256_of, write_json
from roundoff.verdict.decide import decide
from roundoff.verdict.requirements import Target
from tests.cells.copying import MACHINE, Calibrated, FromKeras
from tests.support.cells import SIDE, network
from tests.support.measured import cell, metrics
from tests.support.places import ROOT

BACKENDS = {"ort": OnnxRuntime(threads=1), "copying": FromKeras()}
PRECISIONS = {"fp32": Fp32(), "int8": Calibrated()}


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """The project, which no test changes."""
    project = tmp_path_factory.mktemp("shipping") / "project"
    write_json(project / "data/prepared/manifest.json", manifest())
    (project / "models/trained").mkdir(parents=True)
    (project / "models/trained/model.keras").write_bytes(b"keras")
    described = {"format": 1, "form": "keras", "file": "model.keras", "trained": True}
    write_json(project / "models/trained/model.json", described)
    write_graph(project)
    build_all(project)
    shutil.copy(ROOT / "LICENSE", project / "LICENSE")
    return project


def manifest():
    return {
        "classes": ["cat", "dog", "画像", "two words"],
        "shape": [SIDE, SIDE, 3],
        "counts": {"train": 160, "test": 40},
        "source": {"dataset": "quadrants"},
    }


def write_graph(project):
    model = network(trained=False)
    del model.graph.output[1]
    hashes = {
        "data": sha256_of(project / "data/prepared/manifest.json"),
        "model": sha256_of(project / "models/trained/model.keras"),
    }
    write_provenance(model, hashes)
    (project / "models/onnx").mkdir()
    seal(model)  # as export does
    (project / "models/onnx/model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    ranges = {"logits": TensorRange(0.0, 1.0, 0.0, 1.0, "minmax", 0.0)}
    provenance = Provenance(method="minmax", model_sha256=model_hash(onnx.load(project / "models/onnx/model.onnx")))
    (project / "models/calibration").mkdir()
    CalibrationTable(ranges, provenance).save(project / "models/calibration/table.json")


def build_all(project):
    inputs = Inputs(
        project / "models/onnx/model.onnx",
        project / "models/trained/model.keras",
        project / "models/calibration/table.json",
        np.zeros((1, SIDE, SIDE, 3), np.uint8),
        replace(MACHINE, id="one"),
    )
    for precision, made in PRECISIONS.items():
        builds = {
            name: build_cell(name, backend, precision, made, inputs, project / "models/engines" / precision / name)
            for name, backend in BACKENDS.items()
        }
        write_builds(precision, builds, project / "metrics")
    found = metrics(
        fp32__ort=cell(ms=2.0),
        fp32__copying=cell(ms=3.0),
        int8__ort=cell(ms=1.0, speedup=2.0),
        int8__copying=cell(regressed=900, ms=1.5),
    )
    write_metrics(found, project / "metrics")
    write_verdict(decide(found, Target()), project / "metrics")


@pytest.fixture
def project(small, tmp_path):
    """A copy that a test may change."""
    shutil.copytree(small, tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture(scope="session")
def shipped(small, tmp_path_factory):
    """What ships, shipped; no test changes it."""
    directory = tmp_path_factory.mktemp("shipped") / "it"
    ship(small, "metrics", Order(directory))
    return directory


@pytest.fixture
def copy(shipped, tmp_path):
    shutil.copytree(shipped, tmp_path / "copy")
    return tmp_path / "copy"
