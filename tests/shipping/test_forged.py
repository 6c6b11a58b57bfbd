"""`roundoff verify` on folders that were made to look whole, and on what is no ship.json: words, about that folder."""

import json

import pytest

from roundoff.cli import main
from roundoff.results.checked import as_json
from roundoff.shipping.manifest import NAME, read_shipment
from roundoff.system.files import sha256_of, write_json
from tests.shipping.forged import rewritten


def refused(directory, capsys):
    """What `roundoff verify` says of a folder that it refuses."""
    assert main(["verify", str(directory)]) == 2
    said = capsys.readouterr().err
    assert f"error: {directory} is not what was shipped" in said
    assert "ship it again" in said
    assert "dvc" not in said
    return said


def without(directory, name):
    """ship.json made anew without one of the folder's files."""
    content = as_json(read_shipment(directory))
    del content["files"][name]
    rewritten(directory, files=content["files"])


BROKEN = {
    "depth": "[" * 200_000,
    "depth that can be read": '{"format": 1, "x": ' + "[" * 400 + "]" * 400 + "}",
    "nothing": "",
    "list": "[]",
    "another format": '{"format": 2}',
    "key twice": '{"format": 1, "format": 1}',
    "no number": '{"format": NaN}',
    "cut off": '{"format": 1',
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_what_is_no_ship_json_is_refused_and_its_folder_not_replaced(copy, small, capsys, text):
    (copy / NAME).write_text(text)
    refused(copy, capsys)
    assert main(["ship", str(copy), "--project", str(small)]) == 2
    assert "is not replaced" in capsys.readouterr().err


def test_bytes_that_are_no_text_are_refused(copy, capsys):
    (copy / NAME).write_bytes(b'{"format": "\xff"}')
    assert "0xff" in refused(copy, capsys)


@pytest.mark.parametrize("name", ["data.json", "verdict.json", "cell.json", "model.onnx"])
def test_a_file_that_belongs_to_it_must_be_listed(copy, capsys, name):
    (copy / name).unlink()
    without(copy, name)
    assert f"ship.json without {name}" in refused(copy, capsys)


@pytest.mark.parametrize(
    "engine", ["nope/../x", "../../../../etc/hostname", "/etc/hostname", "", ".", "../copy/model.onnx"]
)
def test_an_engine_outside_of_the_folder_is_refused(copy, capsys, engine):
    rewritten(copy, engine=engine)
    assert f"ship.json without {engine}" in refused(copy, capsys)


@pytest.mark.parametrize("artifact", ["../x", "build.log"])
def test_an_engine_of_another_name_in_its_cell_is_refused(copy, capsys, artifact):
    rewritten(copy, artifact=artifact)
    assert f"cell.json without {artifact}" in refused(copy, capsys)


@pytest.mark.parametrize("content", [b"no graph", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff"])
def test_a_graph_that_is_none_is_refused(copy, capsys, content):
    (copy / "graph.onnx").write_bytes(content)
    told = json.loads((copy / "cell.json").read_text())
    told["files"]["graph.onnx"] = {"sha256": sha256_of(copy / "graph.onnx"), "bytes": len(content)}
    write_json(copy / "cell.json", told)
    rewritten(copy)
    assert "graph.onnx: " in refused(copy, capsys)


@pytest.mark.parametrize("content", [b"[]", b"{", b"\xff", b"[" * 5000])
@pytest.mark.parametrize("name", ["verdict.json", "cell.json", "calibration.json"])
def test_another_file_that_cannot_be_read_is_refused(copy, capsys, name, content):
    (copy / name).write_bytes(content)
    rewritten(copy)
    refused(copy, capsys)
