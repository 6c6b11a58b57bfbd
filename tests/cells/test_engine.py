"""The files of one cell."""

from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import onnx
import pytest

from roundoff.cells import engine
from roundoff.cells.store import (
    build_directories,
)
from roundoff.errors import ConfigError
from roundoff.graph.provenance import read_provenance, write_provenance
from roundoff.results.build import Builds
from roundoff.system.files import sha256_of
from tests.cells.copying import Calibrated, Copying, Varying, build


@dataclass(frozen=True)
class Timing(Copying):
    """Times its choices on a device, twice; writes down which locks were held."""

    repeats: int = 2
    held: list[str] = field(default_factory=list)
    seen: list[list[str]] = field(default_factory=list)

    def builds_on(self):
        return "GPU-1"

    def build(self, source, directory):
        self.seen.append(list(self.held))
        return super().build(source, directory)


def test_a_backend_that_times_its_choices_builds_under_its_devices_lock(inputs, directory, monkeypatch):
    backend, taken = Timing(), []

    @contextmanager
    def lock(device):
        taken.append(device)
        backend.held.append(device)
        yield 0.0
        backend.held.remove(device)

    monkeypatch.setattr(engine, "device_lock", lock)
    build(inputs, directory, backend)
    assert backend.seen == [["GPU-1"], ["GPU-1"]]
    build(inputs, directory, Copying())
    assert taken == ["GPU-1"]


@pytest.mark.parametrize(("repeats", "different", "names"), [(1, 1, []), (2, 2, ["2"]), (3, 2, ["2"])])
def test_further_builds_are_kept_where_they_differ(inputs, directory, repeats, different, names):
    sidecar = build(inputs, directory, Varying(repeats=repeats))
    assert sidecar.builds == Builds(count=repeats, different=different)
    assert build_directories(directory) == [directory, *(directory / "rebuilds" / name for name in names)]
    assert [(path / "model.bin").read_bytes() for path in build_directories(directory)] == [b"first", b"again"][
        :different
    ]


def test_size_is_that_of_the_artifact_alone(inputs, directory):
    sidecar = build(inputs, directory)
    assert sidecar.size_mb == (directory / "model.bin").stat().st_size / 1e6


def test_building_again_gives_the_same_bytes_and_logs_lie_elsewhere(inputs, directory, tmp_path):
    with_logs = replace(inputs, logs=tmp_path / "logs", backends=("copying",))
    seen = []
    for _ in range(2):
        assert build(with_logs, directory).build_s > 0
        seen.append({path.name: sha256_of(path) for path in directory.iterdir()})
    assert seen[0] == seen[1]
    assert set(seen[0]) == {"graph.onnx", "model.bin", "notes.txt", "cell.json"}
    assert (tmp_path / "logs/fp32/copying.log").read_text() == "x" * 1000


def test_what_is_not_the_cells_own_is_not_replaced(inputs, directory):
    build(inputs, directory)
    (directory / "thesis.tex").write_text("kept")
    with pytest.raises(ConfigError, match=r"is not replaced[^$]*thesis\.tex"):
        build(inputs, directory)
    assert (directory / "thesis.tex").read_text() == "kept"


def test_the_graph_says_what_it_was_made_of(inputs, directory):
    original = onnx.load(inputs.onnx)
    write_provenance(original, {"data": "d1", "model": "m1"})
    onnx.save(original, inputs.onnx)
    build(inputs, directory, precision=Calibrated())
    hashes = {"onnx": sha256_of(inputs.onnx), "calibration": sha256_of(inputs.table)}
    assert read_provenance(onnx.load(directory / "graph.onnx")) == {"data": "d1", "model": "m1", **hashes}


def test_a_given_graph_says_what_it_is_and_which_images_it_is_for(inputs, directory):
    given = replace(inputs, given=inputs.onnx, data="d2")
    build(given, directory)
    expected = {"given": sha256_of(inputs.onnx), "data": "d2"}
    assert read_provenance(onnx.load(directory / "graph.onnx")) == expected
