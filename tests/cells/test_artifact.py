"""Which of a cell's files is the engine, by its sidecar alone: nothing that the sidecar names is imported."""

from dataclasses import replace

import pytest

from roundoff.cells.sidecar import StoredFile, artifact_of, read_cell
from roundoff.errors import BuildError
from tests.cells.copying import build


def of_files(sidecar, **sizes):
    """The sidecar with files of those sizes, of which the engine has 1,000 bytes."""
    files = {name: StoredFile(sha256="0" * 64, bytes=size) for name, size in sizes.items()}
    return replace(sidecar, files=files, size_mb=0.001)


@pytest.fixture
def sidecar(inputs, directory):
    build(inputs, directory)
    return read_cell(directory)


def test_a_built_cell_tells_its_engine(sidecar, directory):
    assert artifact_of(directory, sidecar) == "model.bin"


@pytest.mark.parametrize(
    ("sizes", "engine"),
    [
        ({"model.tflite": 1000, "build.log": 7}, "model.tflite"),
        ({"model.onnx": 1000, "graph.onnx": 1000, "rebuilds/2/model.onnx": 1000}, "model.onnx"),
        ({"mine.bin": 1000, "graph.onnx": 7}, "mine.bin"),
        ({"build.log": 1000, "model.engine": 1000}, "model.engine"),
    ],
)
def test_the_engine_has_the_size_of_the_cell(sidecar, directory, sizes, engine):
    assert artifact_of(directory, of_files(sidecar, **sizes)) == engine


@pytest.mark.parametrize(
    "sizes",
    [
        {"model.onnx": 999},
        {"graph.onnx": 1000, "rebuilds/2/model.onnx": 1000},
        {"model.onnx": 1000, "model.engine": 1000},
        {"a.bin": 1000, "b.bin": 1000},
        {},
    ],
)
def test_where_none_or_several_can_be_the_engine_none_is(sidecar, directory, sizes):
    with pytest.raises(BuildError, match=r"of 0\.001 MB in cell\.json(.|\n)*one file of that size, the engine"):
        artifact_of(directory, of_files(sidecar, **sizes))
