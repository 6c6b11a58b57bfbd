"""Cells on disk: what is opened, and what is refused."""

import shutil
from dataclasses import replace

import pytest

from roundoff.cells.cell import find_cells
from roundoff.cells.sidecar import read_cell
from roundoff.cells.store import (
    build_cell,
    cells,
    open_cell,
)
from roundoff.errors import BuildError, ConfigError, Unavailable
from roundoff.precision.fp32 import Fp32
from roundoff.results.platform import Cpu, Gpu
from tests.cells.copying import MACHINE, Copying, Renamed, Varying, build


def test_opening_loads_the_artifact(inputs, directory):
    build(inputs, directory)
    assert open_cell(Copying(), directory, MACHINE) == (directory / "graph.onnx").read_bytes()


def test_opening_an_unavailable_cell_repeats_its_reason(inputs, directory):
    build(inputs, directory, Copying(refuses="no kernels"))
    with pytest.raises(Unavailable, match="no kernels"):
        open_cell(Copying(), directory, MACHINE)


def test_an_altered_artifact_is_refused_by_hash(inputs, directory):
    known = build(inputs, directory).sha256["model.bin"]
    content = bytearray((directory / "model.bin").read_bytes())
    content[-1] ^= 1
    (directory / "model.bin").write_bytes(content)
    with pytest.raises(BuildError, match=known):
        open_cell(Copying(), directory, MACHINE)


def test_a_truncated_artifact_is_refused_with_both_sizes(inputs, directory):
    build(inputs, directory)
    size = read_cell(directory).files["model.bin"].bytes
    (directory / "model.bin").write_bytes((directory / "model.bin").read_bytes()[:-3])
    with pytest.raises(BuildError, match=rf"{size - 3} bytes\n.*{size} bytes"):
        open_cell(Copying(), directory, MACHINE)


def test_a_missing_artifact_is_refused(inputs, directory):
    build(inputs, directory)
    (directory / "model.bin").unlink()
    with pytest.raises(BuildError, match=r"no model\.bin"):
        open_cell(Copying(), directory, MACHINE)


def test_an_altered_further_build_is_refused(inputs, directory):
    build(inputs, directory, Varying(repeats=2))
    (directory / "rebuilds/2/model.bin").write_bytes(b"AGAIN")
    with pytest.raises(BuildError, match=r"rebuilds/2/model\.bin with SHA-256"):
        open_cell(Varying(repeats=2), directory, MACHINE)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cpu": Cpu(model="6502", cores=1)}, r"cpu\.model was Z80 .*abc.* 6502 .*def"),
        ({"libraries": {"fake": "2.0"}}, r"libraries\.fake was 1\.0 .* 2\.0"),
        ({"libraries": {}}, r"libraries\.fake was 1\.0 .* None"),
    ],
)
def test_another_machine_is_refused_with_both_fingerprints(inputs, directory, change, words):
    build(inputs, directory)
    with pytest.raises(Unavailable, match=words):
        open_cell(Copying(), directory, replace(MACHINE, **change, id="def"))


def test_a_change_that_the_artifact_does_not_depend_on_is_accepted(inputs, directory):
    build(inputs, directory)
    assert open_cell(Copying(), directory, replace(MACHINE, gpus=[Gpu(sm="9.0")], id="def"))


def test_cells_are_listed_in_order_without_unfinished_ones(inputs, tmp_path):
    root = tmp_path / "engines"
    for place in ("int8/b", "fp32/b", "fp32/a"):
        build(inputs, root / place)
    shutil.copytree(root / "fp32/a", root / "fp32/.partial.c")
    (root / "fp32" / "empty").mkdir()
    assert [(cell.precision, cell.backend) for cell in cells(root)] == [("fp32", "a"), ("fp32", "b"), ("int8", "b")]
    assert cells(root)[0].directory == root / "fp32/a"
    assert cells(tmp_path / "nowhere") == []


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "a b", "/etc", "é"])
def test_a_name_that_leads_out_of_its_folder_is_refused(inputs, directory, name):
    for backend, precision in ((name, "fp32"), ("copying", name)):
        with pytest.raises(ConfigError, match="cannot name a folder"):
            build_cell(backend, Copying(), precision, Renamed(), inputs, directory)
        with pytest.raises(ConfigError, match="cannot name a folder"):
            find_cells(directory, {precision: Fp32()}, {backend: Copying()})
    assert not directory.exists()
